import { expect } from 'chai'
import { Log } from '../../core/log.ts'
import { Counter } from '../../core/metrics.ts'
import type { Contact } from '../../core/registrar/registrar.ts'
import { SendQueue } from '../../res_pjsip_mwi/send-queue.ts'
import { UnsolicitedContact } from '../../res_pjsip_mwi/unsolicited-contact.ts'
import { later } from '../support/core.ts'
import { FakeNotify } from '../support/fake-sip.ts'
import { until } from '../support/tools.ts'

const CONTACT: Contact = {
  aor: '100',
  uri: 'sip:100@192.0.2.7',
  path: [],
  flow: undefined,
  expires: Infinity,
  userAgent: '',
  instance: '',
}

const GROUP = { mailboxes: ['100@default'] }

class Rig {
  text = 'one'
  readonly sent: FakeNotify[] = []
  /** The binding that each was composed for. */
  readonly composedFor: Contact[] = []
  readonly failed = new Counter()
  readonly debug: string[] = []
  readonly #log = new Log('debug')
  readonly queue = new SendQueue(() => ({ high: 500, low: -1 }), this.#log.logger('test'))
  readonly contact: UnsolicitedContact

  constructor(firstPause = 5) {
    this.#log.addSink(({ message }) => this.debug.push(message))
    this.contact = new UnsolicitedContact(CONTACT, {
      queue: this.queue,
      log: this.#log.logger('test'),
      counters: { sent: new Counter(), refused: new Counter(), failed: this.failed },
      compose: (contact, { mailboxes }) => {
        this.composedFor.push(contact)
        return {
          mailboxes,
          request: {
            method: 'NOTIFY',
            requestUri: CONTACT.uri,
            from: 'sip:a@b',
            to: 'sip:a@b',
            body: { contentType: 'text/plain', content: this.text },
          },
        }
      },
      send: ({ headers = [], body }, done) => this.sent.push(new FakeNotify(1, headers, body, done)),
      giveUp: () => undefined,
      firstPause,
    })
  }

  async nth(count: number): Promise<FakeNotify> {
    return until(`${count}. NOTIFY`, () => this.sent[count - 1])
  }
}

describe('a contact that is told unasked', () => {
  let rig: Rig

  beforeEach(() => {
    rig = new Rig()
  })
  afterEach(() => {
    rig.contact.dispose()
    rig.queue.close()
  })

  it('is tried again after a growing pause, with the newest counts', async () => {
    rig.contact.want([GROUP])
    for (const [n, fail] of [
      (it: FakeNotify): void => it.timeout(),
      (it: FakeNotify): void => it.unreachable(),
      (it: FakeNotify): void => it.answer(500),
      (it: FakeNotify): void => it.answer(480),
    ].entries()) {
      const notify = await rig.nth(n + 1)
      rig.text = `try ${n + 2}`
      fail(notify)
      expect(rig.contact.phase).to.equal('pausing')
    }
    const last = await rig.nth(5)
    expect(last.text).to.equal('try 5')
    last.answer(200)
    expect(rig.contact.phase).to.equal('idle')
    expect(rig.failed.value).to.equal(4)
    expect(rig.debug.map((line) => /again in (\S+) s/.exec(line)?.[1])).to.deep.equal(['0.005', '0.01', '0.02', '0.04'])
  })

  for (const status of [430, 477, 478])
    it(`is told when it renews its registration where a proxy did not get through to it: ${status}`, async () => {
      rig.contact.want([GROUP])
      ;(await rig.nth(1)).answer(status)
      rig.text = 'two'
      rig.contact.refreshed([GROUP], CONTACT)
      const notify = await rig.nth(2)
      expect(notify.text).to.equal('two')
      notify.answer(200)
      expect(rig.contact.phase).to.equal('idle')
    })

  it('begins with the shortest pause again after a success', async () => {
    rig.contact.want([GROUP])
    ;(await rig.nth(1)).timeout()
    ;(await rig.nth(2)).answer(200)
    rig.text = 'two'
    rig.contact.want([GROUP])
    ;(await rig.nth(3)).timeout()
    await rig.nth(4)
    expect(rig.debug.map((line) => /again in (\S+) s/.exec(line)?.[1])).to.deep.equal(['0.005', '0.005'])
  })

  it('is told what it was told before a NOTIFY that may have arrived without an answer', async () => {
    rig.contact.want([GROUP])
    ;(await rig.nth(1)).answer(200)
    rig.text = 'two'
    rig.contact.want([GROUP])
    const lost = await rig.nth(2)
    rig.text = 'one'
    lost.timeout()
    expect((await rig.nth(3)).text).to.equal('one')
  })

  it('is told by the way that it renewed its registration by, which may be from another address or transport of ours', async () => {
    const renewed: Contact = { ...CONTACT, transport: 'other' }
    rig.contact.refreshed([GROUP], renewed)
    rig.contact.want([GROUP])
    await rig.nth(1)
    expect(rig.composedFor.at(-1)).to.equal(renewed)
    // Of what it has registered for two AORs one counts.
    rig.contact.refreshed([GROUP], { ...renewed, aor: '200' })
    expect(rig.contact.contact).to.equal(renewed)
  })

  it('is asked again when it renews its registration, where it refused a while ago', async () => {
    rig.contact.dispose()
    for (const firstPause of [600_000, 0]) {
      rig = new Rig(firstPause)
      rig.contact.want([GROUP])
      ;(await rig.nth(1)).answer(481)
      rig.text = 'two'
      rig.contact.want([GROUP])
      rig.contact.refreshed([GROUP], CONTACT)
      expect(rig.contact.phase).to.equal(firstPause === 0 ? 'queued' : 'refusing')
    }
    const taken = await rig.nth(2)
    expect(taken.text).to.equal('two')
    taken.answer(200)
    expect(rig.contact.phase).to.equal('idle')
    rig.contact.refreshed([GROUP], CONTACT)
    expect(rig.contact.phase).to.equal('idle')
  })

  it('that refused is asked again where the clock was put back meanwhile', async () => {
    rig.contact.dispose()
    rig = new Rig(0)
    rig.contact.want([GROUP])
    ;(await rig.nth(1)).answer(481)
    await later(-7_200_000, async () => rig.contact.refreshed([GROUP], CONTACT))
    expect(rig.contact.phase).to.equal('queued')
  })

  it('is not sent anything once it is gone, whatever was under way', async () => {
    rig.contact.want([GROUP])
    const notify = await rig.nth(1)
    rig.contact.dispose()
    notify.timeout()
    rig.contact.want([GROUP])
    rig.contact.registered([GROUP])
    expect(rig.contact.phase).to.equal('gone')
    expect(rig.queue.length).to.equal(0)
  })
})
