/** The event publication agent (RFC 3903): sections of type outbound-publish, and hints as presence and dialogs by them. */
import { defineModule } from '../core/module.ts'
import { Agent } from './agent.ts'
import { openEntityTags } from './entity-tags.ts'
import { hintPublisher } from './hint-publisher.ts'
import { publicationCommands } from './publication-console.ts'

export default defineModule<readonly ['res_pjsip_pubsub'], Agent>({
  name: 'res_pjsip_outbound_publish',
  description: 'Outbound publications (RFC 3903): hints, device states and mailboxes to other servers',
  requires: ['res_pjsip_pubsub'],
  async load({ core, log, own }, { res_pjsip_pubsub: pubsub }) {
    const { endpoints, metrics } = core
    const agent = new Agent(
      {
        core,
        log,
        tags: await openEntityTags(core.store, Date.now),
        now: Date.now,
        common: () => (endpoints.global.user_agent === '' ? [] : [['User-Agent', endpoints.global.user_agent]]),
        sent: metrics.counter('publish.outbound.sent'),
        failed: metrics.counter('publish.outbound.failed'),
      },
      () => endpoints.files.outboundPublishes?.values() ?? [],
      () => core.stopping,
    )
    own(() => agent.close())
    let { files } = endpoints
    own(
      endpoints.onChange(() => {
        agent.configure()
        if (files === endpoints.files) return
        files = endpoints.files
        agent.retry()
      }),
    )
    for (const event of ['presence', 'dialog'] as const)
      own(agent.publisher(hintPublisher(event, { core, pubsub, log })))
    for (const command of publicationCommands(agent)) own(core.console.register(command))
    return agent
  },
  allLoaded(agent) {
    agent.begun()
  },
  reload(_context, agent) {
    agent.reload()
  },
})
