import { expect } from 'chai'
import { pauseAfter, refreshAfter, type Verdict, verdictOf } from '../../res_pjsip_publish_asterisk/answer-rule.ts'
import { type Draft, type Lease, OutboundPublication } from '../../res_pjsip_publish_asterisk/outbound-publication.ts'
import { responseOf, sipBytes } from '../support/sip-text.ts'
import { until } from '../support/tools.ts'

/** A server that answers when the test says so. */
class Rig {
  readonly drafts: Draft[] = []
  readonly troubles: string[] = []
  readonly remembered: (Lease | undefined)[] = []
  /** Entity-tags of withdrawals that failed, and are left to who says them again. */
  readonly toldInVain: string[] = []
  recovered = 0
  readonly #flying: { readonly serverUri: string; readonly done: (verdict: Verdict) => void }[] = []
  now = 1_000_000
  readonly publication: OutboundPublication
  readonly #servers: readonly string[]

  constructor(
    servers: readonly string[] = ['sip:one'],
    lease?: Lease,
    { addsUp = false, mayEnd = false }: { readonly addsUp?: boolean; readonly mayEnd?: boolean } = {},
  ) {
    this.#servers = servers
    this.publication = new OutboundPublication(
      {
        servers,
        expiration: 600,
        maxChallenges: 3,
        addsUp,
        mayEnd,
        now: () => this.now,
        send: (draft, done) => {
          const { serverUri } = draft
          if (this.#flying.some((one) => one.serverUri === serverUri)) throw new Error('two PUBLISH requests at a time')
          this.drafts.push(draft)
          this.#flying.push({ serverUri, done })
        },
        takeBack: ({ serverUri, entityTag }, failure) => {
          if (failure) this.toldInVain.push(entityTag)
          else this.drafts.push({ serverUri, entityTag, expires: 0, body: undefined })
        },
        remember: (one) => this.remembered.push(one),
        trouble: (why) => this.troubles.push(why),
        recovered: () => this.recovered++,
      },
      lease,
    )
  }

  say(key: string, content: string, once = false): void {
    this.publication.say({ key, once, body: () => ({ contentType: 'text/plain', content }) })
  }

  /** To the last. */
  answer(verdict: Verdict): void {
    const flying = this.#flying.pop()
    if (!flying) throw new Error('nothing is under way')
    flying.done(verdict)
  }

  accept(entityTag = `tag${this.drafts.length}`, seconds = 600): void {
    this.answer({ kind: 'accepted', entityTag, seconds })
  }

  /** Body, entity-tag and server of each PUBLISH. */
  get sent(): string[] {
    return this.drafts.map(({ body, entityTag, serverUri, expires }) =>
      [body?.content.toString() ?? '-', entityTag ?? 'new', this.#servers.indexOf(serverUri), expires].join(' '),
    )
  }
}

const failed = (retryAfter?: number): Verdict => ({ kind: 'failed', why: 'no answer', retryAfter })

describe('A publication of ours', () => {
  it('is made, changed and withdrawn with the entity-tag of the last answer', () => {
    const rig = new Rig()
    rig.say('a', 'one')
    rig.accept()
    rig.say('a', 'two')
    rig.accept()
    rig.publication.end(true)
    expect(rig.sent).to.deep.equal(['one new 0 600', 'two tag1 0 600', '- tag2 0 0'])
    expect(rig.publication.phase).to.equal('ended')
    expect(rig.remembered.at(-1)).to.equal(undefined)
  })

  it('is made anew after what ends it, and the one before is withdrawn', () => {
    const rig = new Rig()
    const say = (content: string, ends: boolean): void =>
      rig.publication.say({ key: 'a', body: () => ({ contentType: 'text/plain', content, ends }) })
    say('call', false)
    rig.accept()
    say('over', true)
    rig.accept()
    say('call', false)
    rig.answer(failed())
    rig.publication.retry()
    rig.accept()
    rig.accept()
    say('on hold', false)
    rig.accept()
    expect(rig.sent).to.deep.equal([
      'call new 0 600',
      'over tag1 0 600',
      'call new 0 600',
      'call new 0 600',
      '- tag2 0 0',
      'on hold tag4 0 600',
    ])
  })

  it('is made anew after a start where it may have ended before', () => {
    const rig = new Rig(['sip:one'], { serverUri: 'sip:one', entityTag: 'kept', expires: 1_600_000 }, { mayEnd: true })
    rig.say('a', 'call')
    rig.accept()
    rig.say('a', 'on hold')
    expect(rig.sent, 'one at a time').to.deep.equal(['call new 0 600', '- kept 0 0'])
    rig.answer(failed())
    expect(rig.sent).to.deep.equal(['call new 0 600', '- kept 0 0', 'on hold tag1 0 600'])
  })

  it('waits for no withdrawal at a server that has failed, and withdraws the rest after one that is under way', () => {
    const lease = { serverUri: 'sip:one', entityTag: 'kept', expires: 1_600_000 }
    const rig = new Rig(['sip:one', 'sip:two'], lease, { addsUp: true })
    rig.say('a', 'A')
    rig.answer(failed())
    rig.accept('t2')
    expect(rig.sent).to.deep.equal(['A new 0 600', 'A new 1 600', '- kept 0 0'])
    expect(rig.publication.phase).to.equal('published')
    rig.publication.anew()
    rig.accept('t4')
    rig.publication.end(true)
    expect(rig.sent.slice(3)).to.deep.equal(['A new 1 600', '- t2 1 0'])
    rig.answer(failed())
    expect(rig.sent.at(-1)).to.equal('- t4 1 0')
    expect(rig.remembered.at(-1)).to.equal(undefined)
  })

  it('says only the newest of what came while a PUBLISH was under way', () => {
    const rig = new Rig()
    rig.say('a', 'a1')
    for (const text of ['a2', 'a3']) rig.say('a', text)
    rig.say('b', 'b1')
    rig.say('a', 'a4')
    expect(rig.publication.waiting).to.equal(3)
    rig.accept()
    rig.accept()
    rig.accept()
    expect(rig.sent).to.deep.equal(['a1 new 0 600', 'a4 tag1 0 600', 'b1 tag2 0 600'])
  })

  it('makes a body when it is sent, and sends none where there is nothing to be said any more', () => {
    const rig = new Rig()
    let state = 'old'
    rig.say('a', 'first')
    rig.publication.say({ key: 'b', body: () => ({ contentType: 'text/plain', content: state }) })
    rig.publication.say({ key: 'c', body: () => undefined })
    state = 'new'
    rig.accept()
    rig.accept()
    expect(rig.sent).to.deep.equal(['first new 0 600', 'new tag1 0 600'])
    expect(rig.publication.phase).to.equal('published')
  })

  it('says everything again after 412, but for what was to be said once', () => {
    const rig = new Rig()
    rig.say('a', 'A')
    rig.accept()
    rig.say('b', 'B')
    rig.accept()
    rig.say('c', 'C', true)
    rig.accept()
    rig.say('b', 'B2')
    rig.answer({ kind: 'forgotten' })
    rig.accept()
    rig.accept()
    expect(rig.sent.slice(3)).to.deep.equal(['B2 tag3 0 600', 'B2 new 0 600', 'A tag5 0 600'])
    expect(rig.publication.phase).to.equal('published')
  })

  it('rests after 412 to a new publication', () => {
    const rig = new Rig()
    rig.say('a', 'A')
    rig.answer({ kind: 'forgotten' })
    expect(rig.publication.phase).to.equal('waiting')
    expect(rig.troubles).to.have.length(1)
    rig.publication.end(false)
  })

  it('rests where its server forgets it again and again, until it has taken all', () => {
    const rig = new Rig()
    rig.say('a', 'one')
    rig.say('b', 'two')
    for (let n = 0; n < 3; n++) {
      rig.accept()
      rig.answer({ kind: 'forgotten' })
    }
    expect(rig.publication.phase).to.equal('waiting')
    expect(rig.troubles).to.deep.equal(['sip:one: 412 again and again'])
    expect(rig.drafts).to.have.length(6)
    rig.publication.retry()
    rig.accept()
    expect(rig.recovered).to.equal(0)
    rig.answer({ kind: 'forgotten' })
    expect(rig.publication.phase).to.equal('waiting')
    rig.publication.retry()
    rig.accept()
    rig.accept()
    expect(rig.publication.phase).to.equal('published')
    expect([rig.recovered, rig.troubles.length]).to.deep.equal([1, 1])
    rig.say('a', 'three')
    rig.answer({ kind: 'forgotten' })
    expect(rig.publication.phase).to.equal('sending')
  })

  it('rests where its server wants it longer each time', () => {
    const rig = new Rig()
    rig.say('a', 'one')
    for (const seconds of [700, 800, 900]) rig.answer({ kind: 'too brief', seconds })
    expect(rig.publication.phase).to.equal('waiting')
    expect(rig.troubles).to.deep.equal(['sip:one: 423 again and again'])
  })

  it('lasts as long as the server wants after 423', () => {
    const rig = new Rig()
    rig.say('a', 'A')
    rig.answer({ kind: 'too brief', seconds: 1800 })
    rig.accept('tag', 1800)
    rig.say('a', 'A2')
    expect(rig.sent).to.deep.equal(['A new 0 600', 'A new 0 1800', 'A2 tag 0 1800'])
  })

  it('gives up for an hour after as many challenges as are allowed', () => {
    const rig = new Rig()
    rig.say('a', 'A')
    for (let n = 0; n < 3; n++) rig.answer({ kind: 'challenged' })
    expect(rig.drafts).to.have.length(3)
    expect(rig.publication.phase).to.equal('waiting')
    expect(rig.troubles[0]).to.include('credentials')
    rig.publication.end(false)
  })

  it('tries the other servers in turn, from the beginning on each, and rests when all have failed', () => {
    const rig = new Rig(['sip:one', 'sip:two', 'sip:three'])
    rig.say('a', 'A')
    rig.accept()
    rig.say('b', 'B')
    rig.answer(failed())
    rig.answer(failed())
    expect(rig.sent).to.deep.equal(['A new 0 600', 'B tag1 0 600', 'B new 1 600', 'B new 2 600'])
    rig.accept()
    rig.accept()
    expect(rig.sent.slice(4)).to.deep.equal(['A tag4 2 600'])
    expect(rig.recovered).to.equal(1)
    rig.say('b', 'B2')
    for (let n = 0; n < 3; n++) rig.answer(failed())
    expect(rig.publication.phase).to.equal('waiting')
    expect(rig.publication.serverUri).to.equal('sip:one')
    rig.publication.end(false)
  })

  it('waits as long as Retry-After says, and then says what is new by then', async () => {
    const rig = new Rig()
    rig.say('a', 'A')
    rig.answer(failed(1))
    rig.say('a', 'A2')
    expect(rig.drafts).to.have.length(1)
    await until('another attempt', () => rig.drafts.length === 2)
    rig.accept()
    expect(rig.sent).to.deep.equal(['A new 0 600', 'A2 new 0 600'])
    expect(rig.troubles).to.deep.equal(['sip:one: no answer'])
    expect(rig.recovered).to.equal(1)
  })

  it('is refreshed without a body before it expires, also where the clock was put forward since', async () => {
    const rig = new Rig()
    rig.say('a', 'A')
    rig.accept('t1', 2)
    rig.now += 3_600_000
    await until('a refresh', () => rig.drafts.length === 2)
    rig.accept('t2')
    rig.now += 3_600_000
    rig.publication.anew()
    rig.accept('t3')
    expect(rig.sent).to.deep.equal(['A new 0 600', '- t1 0 600', 'A new 0 600', '- t2 0 0'])
    rig.publication.end(false)
  })

  it('is made anew before it expires at a server that gives no entity-tags', async () => {
    const rig = new Rig()
    const accept = (): void => rig.answer({ kind: 'accepted', entityTag: undefined, seconds: 0.04 })
    rig.say('a', 'A')
    accept()
    rig.say('b', 'B', true)
    accept()
    await until('all again', () => rig.drafts.length === 3)
    accept()
    await until('all once more', () => rig.drafts.length === 4)
    expect(rig.sent).to.deep.equal(['A new 0 600', 'B new 0 600', 'A new 0 600', 'A new 0 600'])
    rig.publication.end(true)
    accept()
    expect(rig.drafts).to.have.length(4)
  })

  it('is made anew where it has expired', async () => {
    const rig = new Rig()
    rig.say('a', 'A')
    rig.accept('t1', 0.01)
    rig.say('a', 'B')
    rig.answer(failed(1))
    await until('a new one', () => rig.drafts.length === 3)
    expect(rig.sent).to.deep.equal(['A new 0 600', 'B t1 0 600', 'B new 0 600'])
    rig.publication.end(false)
  })

  it('goes on with what was published before a restart, at the same server', () => {
    const lease = { serverUri: 'sip:two', entityTag: 'kept', expires: 2_000_000 }
    const rig = new Rig(['sip:one', 'sip:two'], lease)
    rig.say('a', 'A')
    expect(rig.sent).to.deep.equal(['A kept 1 600'])
    const late = new Rig(['sip:one', 'sip:two'], { ...lease, expires: 900_000 })
    late.say('a', 'A')
    expect(late.sent).to.deep.equal(['A new 0 600'])
  })

  it('at a server that went while we were stopped is withdrawn when all is said elsewhere', () => {
    for (const kind of [{}, { addsUp: true }, { mayEnd: true }]) {
      const rig = new Rig(['sip:three'], { serverUri: 'sip:two', entityTag: 'kept', expires: 2_000_000 }, kind)
      rig.say('a', 'A')
      expect(rig.sent).to.deep.equal(['A new 0 600'])
      // A stop before it is answered leaves it to the next start.
      expect(rig.remembered).to.deep.equal([])
      rig.accept()
      expect(rig.sent).to.deep.equal(['A new 0 600', '- kept -1 0'])
      expect(rig.drafts.at(-1)?.serverUri).to.equal('sip:two')
      rig.publication.end(false)
    }
  })

  it('that adds up is made anew after a restart, and what was published before is taken back when all is said', () => {
    const lease = { serverUri: 'sip:two', entityTag: 'kept', expires: 2_000_000 }
    const rig = new Rig(['sip:one', 'sip:two'], lease, { addsUp: true })
    rig.say('a', 'A')
    rig.say('b', 'B')
    rig.accept('t1')
    rig.accept('t2')
    expect(rig.sent).to.deep.equal(['A new 1 600', 'B t1 1 600', '- kept 1 0'])
    expect(rig.remembered.map((one) => one?.entityTag)).to.deep.equal(['t1', 't2'])
    rig.publication.end(false)
    const silent = new Rig(['sip:two'], lease, { addsUp: true })
    silent.publication.saidAll()
    silent.answer(failed())
    expect([silent.sent, silent.publication.phase]).to.deep.equal([['- kept 0 0'], 'idle'])
    expect(silent.remembered).to.deep.equal([undefined])
    const ended = new Rig(['sip:two'], lease, { addsUp: true })
    ended.publication.end(true)
    expect(ended.sent).to.deep.equal(['- kept 0 0'])
    expect(ended.remembered).to.deep.equal([undefined])
  })

  it('goes on where its server does not answer a withdrawal, which is left to who says it again', () => {
    const lease = { serverUri: 'sip:one', entityTag: 'kept', expires: 2_000_000 }
    const answers: readonly [Verdict, string[]][] = [
      [failed(), ['kept']],
      [{ kind: 'forgotten' }, []],
    ]
    for (const [verdict, inVain] of answers) {
      const rig = new Rig(['sip:one'], lease, { addsUp: true })
      rig.say('a', 'A')
      rig.accept()
      rig.answer(verdict)
      expect([rig.publication.phase, rig.toldInVain]).to.deep.equal(['published', inVain])
      rig.publication.end(false)
    }
  })

  it('begins anew, with what is known now, when it is told to', () => {
    const rig = new Rig()
    rig.say('a', 'A')
    rig.accept('t1')
    rig.say('b', 'B', true)
    rig.publication.anew()
    rig.accept('t2')
    rig.accept('t3')
    expect(rig.sent).to.deep.equal(['A new 0 600', 'B t1 0 600', 'A new 0 600', '- t2 0 0'])
    expect(rig.publication.lease?.entityTag).to.equal('t3')
    rig.publication.end(false)
  })

  it('is withdrawn after the PUBLISH that is under way', () => {
    const rig = new Rig()
    rig.say('a', 'A')
    rig.publication.end(true)
    expect(rig.drafts).to.have.length(1)
    rig.accept('late')
    expect(rig.sent).to.deep.equal(['A new 0 600', '- late 0 0'])
  })
})

describe('The answer to a PUBLISH', () => {
  const verdict = (line: string, ...headers: string[]): Verdict =>
    verdictOf(
      {
        kind: 'response',
        response: responseOf(
          sipBytes([
            `SIP/2.0 ${line}`,
            'Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1',
            'From: <sip:a@b>;tag=1',
            'To: <sip:c@d>;tag=2',
            'Call-ID: x',
            'CSeq: 1 PUBLISH',
            ...headers,
          ]),
        ),
      },
      600,
    )

  it('is taken as the RFCs say', () => {
    expect(verdict('200 OK', 'SIP-ETag: x', 'Expires: 300')).to.deep.equal({
      kind: 'accepted',
      entityTag: 'x',
      seconds: 300,
    })
    expect(verdict('200 OK', 'SIP-ETag: x')).to.deep.equal({ kind: 'accepted', entityTag: 'x', seconds: 600 })
    expect(verdict('200 OK', 'Expires: 0').kind).to.equal('refused')
    expect(verdict('412 Conditional Request Failed').kind).to.equal('forgotten')
    expect(verdict('423 Interval Too Brief', 'Min-Expires: 900')).to.deep.equal({ kind: 'too brief', seconds: 900 })
    expect(verdict('423 Interval Too Brief', 'Min-Expires: 60').kind).to.equal('refused')
    expect(verdict('423 Interval Too Brief').kind).to.equal('refused')
    expect(verdict('401 Unauthorized').kind).to.equal('challenged')
    expect(verdict('407 Proxy Authentication Required').kind).to.equal('challenged')
    expect(verdict('503 Service Unavailable', 'Retry-After: 7 (soon)')).to.deep.equal({
      kind: 'failed',
      why: '503 Service Unavailable',
      retryAfter: 7,
    })
    for (const line of ['403 Forbidden', '404 Not Found', '489 Bad Event', '603 Decline', '302 Moved'])
      expect(verdict(line).kind, line).to.equal('refused')
    for (const line of ['408 Timeout', '480 Away', '430 Flow Failed', '477 Not Sent', '478 Unresolvable'])
      expect(verdict(line).kind, line).to.equal('failed')
    expect(verdictOf({ kind: 'timeout' }, 600).kind).to.equal('failed')
    expect(verdictOf({ kind: 'unreachable', reason: 'no route' }, 600)).to.include({ kind: 'failed', why: 'no route' })
  })

  it('says when to come again', () => {
    expect([3600, 600, 60, 4, 1].map(refreshAfter)).to.deep.equal([3560, 560, 45, 2, 0.5])
    const failure = { kind: 'failed', retryAfter: undefined } as const
    expect([0, 1, 2, 9].map((n) => pauseAfter(failure, n))).to.deep.equal([2, 4, 8, 120])
    expect([0, 30].map((n) => pauseAfter({ ...failure, kind: 'refused' }, n))).to.deep.equal([5, 3600])
    expect(pauseAfter({ ...failure, retryAfter: 30 }, 5)).to.equal(30)
    expect(pauseAfter({ ...failure, retryAfter: 4_000_000_000 }, 5)).to.equal(86400)
  })
})
