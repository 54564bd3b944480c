/** Rules of presentities in a whole server, with the modules in the order it loads them. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { localOffice } from '../support/office.ts'
import type { TestPhone } from '../support/phone.ts'
import { one, ruleset } from '../support/rules.ts'
import { Scene } from '../support/scene.ts'
import { WatcherTable } from '../support/watcher-table.ts'

/** What is answered is kept. */
const KEPT = '[general]\nsubs_db_mode = 1\n'

describe('rules of presentities', function () {
  this.timeout(60_000)
  let scene: Scene
  let rules: string

  beforeEach(async () => {
    scene = await Scene.open({
      ...localOffice(),
      'extensions.conf': '[office]\nexten => 101,hint,Custom:desk\n',
      'pubsub.conf': KEPT,
    })
    rules = join(scene.instance.directory, 'rules')
    mkdirSync(rules)
    await scene.command('devstate change Custom:desk NOT_INUSE')
  })
  afterEach(() => scene?.close())

  const pubsubConf = (more = ''): Record<string, string> => ({
    'pubsub.conf': `${KEPT}rules_directory = ${rules}\nrules_unmatched = confirm\n${more}`,
  })
  const write = (text: string): void => writeFileSync(join(rules, '101.xml'), text)

  async function told(phone: TestPhone): Promise<string> {
    const notify = await phone.next('NOTIFY')
    const state = notify.header('subscription-state').replace(/;expires=\d+/, '')
    return `${state} ${/<basic>(\w+)</.exec(notify.body)?.[1] ?? (notify.body === '' ? '-' : '?')}`
  }

  it('come with a reload, hold from then on, and go with another', async () => {
    const [watcher, first] = await scene.watching('100', '101', 'presence')
    expect(first.header('subscription-state')).to.match(/^active/)
    write(ruleset({ conditions: one('sip:102@x'), handling: 'allow' }))
    await scene.reload(pubsubConf())
    expect(await told(watcher)).to.equal('pending -')
    const [friend] = await scene.watching('102', '101', 'presence')
    expect(friend.received.at(-1)?.body).to.include('<basic>')
    write(ruleset({ conditions: one('sip:100@x', 'sip:102@x'), handling: 'allow' }))
    expect(await told(watcher)).to.equal('active open')
    await scene.reload(pubsubConf('force_active = 1\n'))
    const [stranger] = await scene.watching('103', '101', 'presence')
    expect(stranger.received.at(-1)?.header('subscription-state')).to.match(/^active/)
    const logged = await scene.reload({ 'pubsub.conf': `${KEPT}rules_directory = here\n` }, 'nothing was reloaded')
    expect(logged).to.match(/pubsub.conf:3: rules_directory = 'here' is not valid, expected an absolute path/)
  })

  it('outlive a kill -9: nobody is told more for it, and the owner still knows who waits', async () => {
    write(ruleset({ conditions: one('sip:102@x'), handling: 'allow' }))
    await scene.reload(pubsubConf())
    const [watcher, pending] = await scene.watching('100', '101', 'presence')
    expect(pending.header('subscription-state')).to.match(/^pending/)
    const [owner, list] = await scene.watching('101', '101', 'presence.winfo')
    const table = new WatcherTable()
    await table.take(list.body)
    const [id] = table.rows.keys()
    expect([...table.rows.values()].join()).to.match(/^sip:100@\S+ pending subscribe$/)
    await scene.instance.end('SIGKILL')
    await scene.instance.start()
    expect(await told(watcher)).to.equal('pending -')
    await table.take((await owner.next('NOTIFY')).body)
    expect([...table.rows.keys()]).to.deep.equal([id])
    write(ruleset({ conditions: one('sip:100@x'), handling: 'allow' }))
    expect(await told(watcher)).to.equal('active open')
    await table.take((await owner.next('NOTIFY')).body)
    expect(table.rows.get(id ?? '')).to.match(/^sip:100@\S+ active approved$/)
    expect(watcher.received.filter(({ body }) => body.includes('<basic>'))).to.have.length(1)
  })
})
