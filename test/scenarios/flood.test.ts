/**
 * The RFC's torture messages, fifty thousand damaged ones over UDP and a hundred thousand over TCP, at a whole Lamplighter,
 * while phones watch their lamps there.
 *
 * The stall is what the process says of itself, its own computing only (`process.stall.busy_max_ms`): the machine may
 * be shared with others, and what they take is not its fault. That is the time of all its threads, so on a busy machine it
 * may still be too much; then that round of the flood, and those after it, are sent at another instance, a few times: a
 * stall that a message causes comes again with the same message, one that comes of anything else does not.
 */
import { expect } from 'chai'
import { DemoPhone } from '../../core/demo/phones.ts'
import { TORTURE } from '../support/damage.ts'
import { FloodOfDatagrams, floodOfStreams } from '../support/flood.ts'
import { Instance } from '../support/instance.ts'
import { localOffice, PASSWORD } from '../support/office.ts'
import { TestPhone } from '../support/phone.ts'
import { until } from '../support/tools.ts'

const SEED = Number(process.env['FLOOD_SEED'] ?? 4475)
const MESSAGES = 50_000
/** Where a message in a stream cannot be told from the next, the stream ends; that is about half of them. */
const STREAMED = 2 * MESSAGES
const ROUNDS = 4
/** Milliseconds. */
const LONGEST_STALL = 50
const ATTEMPTS = 4
/** Milliseconds that a lamp may take on a busy machine. */
const PATIENCE = 20_000
/** Bytes that the second half of the rounds may need more than the first: they bring 75,000 messages, so 800 bytes of each. */
const MEMORY_SLACK = 60_000_000

/** What each gets that gets an answer over UDP. The others are responses, or have no Via that could be answered. */
const ANSWERS: Readonly<Record<string, number>> = {
  // valid: requests of methods that are not served, or that nobody here may do without having proved who it is
  wsinv: 481,
  intmeth: 501,
  esc01: 405,
  escnull: 401,
  esc02: 501,
  lwsdisp: 200,
  longreq: 405,
  dblreq: 401,
  semiuri: 200,
  transports: 200,
  mpart01: 405,
  badbranch: 200,
  baddate: 405,
  baddn: 200,
  invut: 405,
  regaut01: 401,
  unksm2: 401,
  zeromf: 200,
  cparam01: 401,
  cparam02: 401,
  regescrt: 401,
  sdp01: 405,
  inv2543: 405,
  // not valid
  badaspec: 400,
  badvers: 505,
  bext01: 420,
  clerr: 400,
  escruri: 400,
  insuf: 400,
  ltgtruri: 400,
  lwsruri: 400,
  lwsstart: 400,
  mcl01: 400,
  mismatch01: 400,
  mismatch02: 400,
  multi01: 400,
  ncl: 400,
  novelsc: 416,
  quotbal: 400,
  regbadct: 400,
  scalar02: 400,
  trws: 400,
  unkscm: 416,
}

/**
 * Whoever it is from, nobody has to prove it: so the damage gets as far into the server as can be. And what is to be
 * kept of transactions is kept for two seconds (64 * T1, Timer F), so that what is kept for good shows.
 */
const OPEN_ENDPOINT = `
[system]
type = system
timer_t1 = 30
timer_b = 2000
[flood]
type = endpoint
context = office
aors = flood
[flood]
type = aor
max_contacts = 2
`

const OFFICE = localOffice(['udp', 'tcp'])
const FILES = {
  ...OFFICE,
  'pjsip.conf': `${OFFICE['pjsip.conf']}${OPEN_ENDPOINT}`,
  'pubsub.conf': '[general]\nmin_expires = 1\n',
}

describe('a flood at a whole server', function () {
  this.timeout(900_000)
  let instance: Instance
  let phones: DemoPhone[] = []
  /** The first round by whose end the server had stood still for too long. */
  let firstStalled = ROUNDS

  before(open)
  after(close)
  afterEach(function () {
    if (this.currentTest?.state === 'failed') console.error(`      FLOOD_SEED=${SEED}\n${instance.stderr.slice(-2000)}`)
  })

  it('answers the torture messages as they deserve', async () => {
    const got: Record<string, number> = {}
    for (const [name, bytes] of TORTURE) {
      const phone = await TestPhone.open({ server: serverOf('udp'), localAddress: '127.0.0.2', patience: PATIENCE })
      phone.send(ofItsOwn(name, bytes))
      // Behind it, so that nothing needs to be waited for where there is no answer.
      const dialog = phone.dialog('sip:127.0.0.1')
      await phone.request('OPTIONS', { dialog })
      const answer = phone.received.find((message) => message.header('call-id') !== dialog.callId)
      if (answer) got[name] = answer.status
      await phone.close()
    }
    expect(got).to.deep.equal(ANSWERS)
    await lampsFollow()
  })

  it('follows its lamps through all of it, and keeps nothing', async () => {
    const memory: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      await flood(round)
      await lampsFollow()
      memory.push(await metric('process.memory.rss_bytes'))
      if ((await metric('process.stall.busy_max_ms')) >= LONGEST_STALL) firstStalled = Math.min(firstStalled, round)
    }
    const half = memory.length / 2
    const growth = Math.max(...memory.slice(half)) - Math.max(...memory.slice(0, half))
    expect(growth, `bytes of memory: ${memory.join(' ')}`).to.be.below(MEMORY_SLACK)
    for (const side of ['client', 'server'])
      await until(`end of ${side} transactions`, async () => (await metric(`sip.transactions.${side}`)) === 0, PATIENCE)
    expect(phones.flatMap(({ faults }) => faults)).to.deep.equal([])
    expect(instance.stderr).to.not.match(/should not have happened|ERROR/)
  })

  it('does not stall', async () => {
    let other: Instance | undefined
    try {
      for (let round = firstStalled; round < ROUNDS; round++) {
        const stalls: number[] = []
        do {
          // The longest stall is that of all its life: one that had a long one tells of no other round.
          if (stalls.length > 0) await other?.dispose()
          if (stalls.length > 0 || !other) {
            other = new Instance(FILES)
            await other.start()
          }
          await flood(round, other)
          stalls.push(await metric('process.stall.busy_max_ms', other))
        } while (Math.min(...stalls) >= LONGEST_STALL && stalls.length < ATTEMPTS)
        expect(Math.min(...stalls), `milliseconds in round ${round}: ${stalls.join(' ')}`).to.be.below(LONGEST_STALL)
      }
    } finally {
      await other?.dispose()
    }
  })

  it('has seen it all, and serves the next phone', async () => {
    const seen =
      (await metric('sip.requests.received')) +
      (await metric('sip.responses.received')) +
      (await metric('sip.messages.malformed'))
    expect(seen).to.be.above(2 * MESSAGES)
    expect(await metric('sip.requests.refused')).to.be.above(MESSAGES / 10)
    expect(await metric('pubsub.notify.sent')).to.be.above(MESSAGES / 100)
    for (const protocol of ['udp', 'tcp'] as const) {
      const phone = await TestPhone.open({
        server: serverOf(protocol),
        protocol,
        user: '101',
        password: PASSWORD,
        patience: PATIENCE,
      })
      const dialog = phone.dialog(`sip:200@127.0.0.1`)
      const headers = [['Event', 'dialog'] as const, ['Expires', '600'] as const]
      expect((await phone.request('SUBSCRIBE', { dialog, headers })).status).to.equal(200)
      expect((await phone.next('NOTIFY')).body).to.include('<dialog-info')
      await phone.close()
    }
    const { code } = await instance.end()
    expect(code).to.equal(0)
  })

  async function open(): Promise<void> {
    instance = new Instance(FILES)
    await instance.start()
    phones = (['udp', 'tcp'] as const).map((protocol) => {
      const target = { protocol, ...instance.address(protocol) }
      const lamps = [{ event: 'dialog', target: '200' } as const, { event: 'presence', target: '200' } as const]
      return new DemoPhone({ user: '100', password: PASSWORD, target, lamps }, () => undefined)
    })
    for (const phone of phones) await phone.open()
    await until('first NOTIFYs', () => lamps().every(({ reading }) => reading), PATIENCE)
  }

  async function close(): Promise<void> {
    for (const phone of phones) phone.vanish()
    await instance?.dispose()
  }

  async function flood(round: number, at = instance): Promise<void> {
    const datagrams = await FloodOfDatagrams.open(serverOf('udp', at))
    await datagrams.send(SEED + round, MESSAGES / ROUNDS)
    datagrams.close()
    await floodOfStreams(serverOf('tcp', at), SEED + 1000 + round, STREAMED / ROUNDS)
  }

  /** Both ways, so that a lamp that has stood still shows. */
  async function lampsFollow(): Promise<void> {
    for (const [state, light] of [
      ['INUSE', 'lit'],
      ['NOT_INUSE', 'off'],
    ]) {
      expect(await instance.command(`devstate change Custom:door ${state}`)).to.include({ code: 0 })
      await until(`${light} lamps`, () => lamps().every(({ reading }) => reading?.light === light), PATIENCE).catch(
        async () => {
          const shown = lamps().map(({ spec, state, reading }) => `${spec.event} ${state} ${reading?.words}`)
          const known = await instance.command('pjsip show subscriptions inbound')
          throw new Error(`lamps stay wrong, not ${light}: ${shown.join(', ')}\n${known.stdout}`)
        },
      )
    }
  }

  function lamps() {
    return phones.flatMap((phone) => phone.lamps)
  }

  async function metric(name: string, of = instance): Promise<number> {
    const { stdout } = await of.command('core show metrics')
    const line = stdout.split('\n').find((text) => text.startsWith(`${name} `))
    return Number(line?.slice(name.length) ?? Number.NaN)
  }

  function serverOf(protocol: 'udp' | 'tcp', of = instance): { address: string; port: number } {
    const { host, port } = of.address(protocol)
    return { address: host, port }
  }
})

/** Several of the RFC's messages share a branch, which makes one a retransmission of another; and the answer is to come here. */
function ofItsOwn(name: string, bytes: Buffer): Buffer {
  const text = bytes.toString('latin1')
  return Buffer.from(text.replace(/;branch=z9hG4bK(?=\w)/, `;rport;branch=z9hG4bK${name}`), 'latin1')
}
