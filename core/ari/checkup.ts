/** A look at what this Asterisk has loaded, after each connect: what is missing is said once, with the line to add. */
import type { AskedBy } from './asked-by.ts'
import { record, text } from './events.ts'
import type { AriAnswer } from './protocol.ts'

interface Wanted {
  readonly module: string
  readonly without: string
  readonly level: 'error' | 'warning'
}

const WANTED: readonly Wanted[] = [
  {
    module: 'res_stasis_device_state.so',
    without: 'no lamp follows its device',
    level: 'error',
  },
  {
    module: 'res_ari_device_states.so',
    without: 'device states cannot be read, and lamps stay unavailable until their device changes',
    level: 'error',
  },
  {
    module: 'res_ari_applications.so',
    without: 'device states cannot be subscribed to',
    level: 'error',
  },
  {
    module: 'res_ari_channels.so',
    without: 'hints, message counts, presence states and calls cannot be read',
    level: 'error',
  },
  {
    module: 'res_mwi_devstate.so',
    without: 'voicemail lamps follow with the delay of mailbox_interval',
    level: 'warning',
  },
]

/** Returns whether mailboxes are in Asterisk's own list, `GET /mailboxes`. */
export async function checkUp({ link, complaints }: Pick<AskedBy, 'link' | 'complaints'>): Promise<boolean> {
  const look = (moduleName: string): Promise<AriAnswer> => link.request('asterisk.getModule', { moduleName })
  const [external, lists, ...wanted] = await Promise.all(
    ['res_mwi_external.so', 'res_ari_mailboxes.so', ...WANTED.map(({ module }) => module)].map(look),
  )
  for (const [at, answer] of wanted.entries()) {
    const want = WANTED[at]
    if (!want || !answer || answer.kind === 'unreachable') continue
    const key = `module ${want.module}`
    if (isRunning(answer)) {
      complaints.settle(key, `${want.module} is loaded now`)
    } else if (isNotLoaded(answer)) {
      complaints.say(
        key,
        `Asterisk has not loaded ${want.module}, so ${want.without}: put load = ${want.module} in its modules.conf and ` +
          `run \`module load ${want.module}\` there`,
        want.level,
      )
    }
  }
  return isRunning(external) && isRunning(lists) && link.has('mailboxes.list')
}

function isRunning(answer: AriAnswer | undefined): boolean {
  return answer?.kind === 'ok' && text(record(answer.body).status) !== 'Not Running'
}

/** Not to be taken for an Asterisk that cannot be asked about its modules. */
function isNotLoaded(answer: AriAnswer): boolean {
  return answer.kind === 'ok' || (answer.kind === 'refused' && answer.status === 404 && /module/i.test(answer.message))
}
