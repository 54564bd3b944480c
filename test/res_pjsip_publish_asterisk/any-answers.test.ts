import { expect } from 'chai'
import { array, assert, boolean, constantFrom, integer, oneof, property, record } from 'fast-check'
import type { Verdict } from '../../res_pjsip_publish_asterisk/answer-rule.ts'
import { type Draft, OutboundPublication } from '../../res_pjsip_publish_asterisk/outbound-publication.ts'

const SERVERS = ['sip:one', 'sip:two', 'sip:three']

/** Keeps what is published to it, as an event state compositor of Asterisk's kind does: each PUBLISH says one thing. */
class Receiver {
  tag: string | undefined
  readonly says = new Map<string, string>()
  #tags = 0

  /** As RFC 3903 6 has it. */
  take({ entityTag, body, expires }: Draft): Verdict {
    if (entityTag !== undefined && entityTag !== this.tag) return { kind: 'forgotten' }
    if (entityTag === undefined) this.says.clear()
    const [key, value] = body?.content.toString().split('=') ?? []
    if (key !== undefined && value !== undefined) this.says.set(key, value)
    this.tag = `tag${++this.#tags}`
    return { kind: 'accepted', entityTag: this.tag, seconds: expires }
  }

  crash(): void {
    this.tag = undefined
    this.says.clear()
  }
}

const KEYS = ['a', 'b', 'c']
const step = oneof(
  record({
    kind: constantFrom('say' as const),
    key: constantFrom(...KEYS),
    value: integer({ min: 0, max: 9 }),
    once: boolean(),
  }),
  record({ kind: constantFrom('take' as const) }),
  // The receiver may have taken it, and only its answer is lost.
  record({ kind: constantFrom('lose' as const), taken: boolean() }),
  record({ kind: constantFrom('too brief' as const, 'crash' as const, 'again' as const, 'challenge' as const) }),
)

const SAY = { kind: 'say', key: 'a', value: 1, once: false } as const
const [TAKE, CRASH, CHALLENGE] = [{ kind: 'take' }, { kind: 'crash' }, { kind: 'challenge' }] as const
/** A 412 says that the credentials were taken: what is challenged after it is not challenged for the third time. */
const CHALLENGED_AROUND_412 = [SAY, TAKE, SAY, CRASH, CHALLENGE, CHALLENGE, TAKE, CHALLENGE]

describe('A publication of ours, whatever is answered', () => {
  it('leaves with the receiver what was said last, of all that is to hold', () => {
    assert(
      property(array(step, { maxLength: 60 }), (steps) => {
        const receivers = SERVERS.map(() => new Receiver())
        let flying: { draft: Draft; done: (verdict: Verdict) => void } | undefined
        let [lost, challenged] = [0, 0]
        const publication = new OutboundPublication({
          servers: SERVERS,
          expiration: 600,
          maxChallenges: 3,
          addsUp: false,
          mayEnd: false,
          now: () => 0,
          send: (draft, done) => {
            expect(flying, 'two at a time').to.equal(undefined)
            flying = { draft, done }
          },
          remember: () => undefined,
          trouble: () => undefined,
          recovered: () => undefined,
        })
        const answer = (verdict: (draft: Draft) => Verdict): void => {
          const now = flying
          flying = undefined
          now?.done(verdict(now.draft))
        }
        const takes = (draft: Draft): Verdict => receivers[draft.server]?.take(draft) ?? { kind: 'forgotten' }
        const accepted = (): void => {
          lost = challenged = 0
          answer(takes)
        }
        const holds = new Map<string, string>()
        for (const each of steps) {
          if (each.kind === 'say') {
            const value = each.once ? 'none' : String(each.value)
            if (each.once) holds.delete(each.key)
            else holds.set(each.key, value)
            publication.say({ ...each, body: () => ({ contentType: 'text/plain', content: `${each.key}=${value}` }) })
          } else if (each.kind === 'again') publication.again()
          else if (each.kind === 'crash') for (const receiver of receivers) receiver.crash()
          // One more of these and it would rest, which takes seconds.
          else if (each.kind === 'lose' && ++lost < SERVERS.length)
            answer((draft) => {
              if (each.taken) takes(draft)
              return { kind: 'failed', why: 'no answer', retryAfter: undefined }
            })
          else if (each.kind === 'challenge' && ++challenged < 3) answer(() => ({ kind: 'challenged' }))
          else if (each.kind === 'too brief') answer(({ expires }) => ({ kind: 'too brief', seconds: expires + 60 }))
          else accepted()
        }
        for (let left = 200; publication.phase === 'sending' && left > 0; left--) accepted()
        // A refresh would find out that the receiver has forgotten it.
        publication.say({ key: 'last', once: true, body: () => ({ contentType: 'text/plain', content: 'last=none' }) })
        for (let left = 200; publication.phase === 'sending' && left > 0; left--) accepted()
        expect(publication.phase).to.equal('published')
        const receiver = receivers[SERVERS.indexOf(publication.serverUri)]
        const says = [...(receiver?.says ?? [])].filter(([, value]) => value !== 'none')
        expect(new Map(says)).to.deep.equal(holds)
        publication.end(false)
      }),
      { numRuns: 2000, examples: [[CHALLENGED_AROUND_412]] },
    )
  })
})
