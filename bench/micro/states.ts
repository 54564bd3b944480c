/** The digest of a SUBSCRIBE, and the way from a device to the hint that shows it. */
import { digestResponse, digestSecret, parseDigest, sameDigest } from '../../core/auth/digest.ts'
import { Log } from '../../core/log.ts'
import type { Undo } from '../../core/scope.ts'
import { Calls } from '../../core/states/calls.ts'
import { Devices } from '../../core/states/devices.ts'
import type { HintDefinition } from '../../core/states/hint.ts'
import { Hints } from '../../core/states/hints.ts'
import { Presences } from '../../core/states/presence.ts'
import { type Timing, time } from './timing.ts'

const HINTS = 10_000

export function digestTiming(): Timing {
  const credentials = {
    username: '100',
    auth_type: 'userpass',
    password: 'a secret of 100',
    md5_cred: '',
    password_digest: [],
  } as const
  const secret = digestSecret(credentials, 'MD5', 'asterisk') ?? ''
  const fresh = { nonce: '1732190000/a1b2c3d4e5f60718', uri: 'sip:101@pbx.example.com', qop: 'auth', nc: '00000001' }
  const answer = digestResponse('MD5', secret, 'SUBSCRIBE', { ...fresh, cnonce: '0a4f113b' })
  const header =
    `Digest username="100",realm="asterisk",nonce="${fresh.nonce}",uri="${fresh.uri}",qop=auth,nc=00000001,` +
    `cnonce="0a4f113b",response="${answer}",algorithm=MD5`
  return time('read and check a digest (MD5)', () => {
    const given = parseDigest(header)
    if (!given) throw new Error('the digest of the benchmark is malformed')
    const expected = digestResponse('MD5', secret, 'SUBSCRIBE', {
      nonce: given.get('nonce') ?? '',
      uri: given.get('uri') ?? '',
      qop: given.get('qop'),
      nc: given.get('nc') ?? '',
      cnonce: given.get('cnonce') ?? '',
    })
    return sameDigest('MD5', expected, given.get('response') ?? '') ? 1 : Number.NaN
  })
}

/** Ten thousand hints are watched, and one device after another changes. */
export async function hintTiming(): Promise<Timing> {
  const devices = new Devices()
  const hints = new Hints(
    { devices, presences: new Presences(), calls: new Calls() },
    { removedHintGrace: () => 0, log: new Log('error').logger('hints') },
  )
  hints.addSource({
    name: 'bench',
    lookup: (context, exten) => {
      const definition = { context, exten, devices: [`PJSIP/${exten}`], presence: [], name: '', source: 'bench' }
      return Promise.resolve<HintDefinition>(definition)
    },
    onChange: () => () => undefined,
  })
  for (let number = 0; number < HINTS; number++) devices.set('pbx', `PJSIP/${number}`, 'NOT_INUSE')
  let seen = 0
  const undos: Undo[] = []
  for (let number = 0; number < HINTS; number++) {
    const hint = await hints.find('lamps', String(number))
    if (!hint || hint === 'unreachable') throw new Error('a hint of the benchmark was not found')
    undos.push(hint.watch({ value: () => seen++, end: () => undefined }))
  }
  const timing = time(`a device of ${HINTS} changes, to the watcher of its hint`, (turn) => {
    const before = seen
    devices.set('pbx', `PJSIP/${turn % HINTS}`, Math.floor(turn / HINTS) % 2 === 0 ? 'INUSE' : 'NOT_INUSE')
    return seen - before
  })
  for (const undo of undos) await undo()
  return timing
}
