import { expect } from 'chai'
import { array, assert, boolean, constantFrom, integer, oneof, property, record } from 'fast-check'
import type { Verdict } from '../../res_pjsip_publish_asterisk/answer-rule.ts'
import { type Draft, OutboundPublication } from '../../res_pjsip_publish_asterisk/outbound-publication.ts'

const SERVERS = ['sip:one', 'sip:two', 'sip:three']

/** Keeps what is published to it, as an event state compositor of Asterisk's kind does: each PUBLISH says one thing. */
class Receiver {
  /** By entity-tag. */
  readonly publications = new Map<string, Map<string, string>>()
  readonly #ends: boolean
  #tags = 0

  /** `ends`: it takes no change of what has ended, as Kamailio with dialogs. */
  constructor(kept: string | undefined, ends: boolean) {
    this.#ends = ends
    if (kept !== undefined) this.publications.set(kept, new Map(ends ? [['a', ENDS]] : []))
  }

  /** As RFC 3903 6 has it. */
  take({ entityTag, body, expires }: Draft): Verdict {
    const says = entityTag === undefined ? new Map<string, string>() : this.publications.get(entityTag)
    if (!says) return { kind: 'forgotten' }
    if (entityTag !== undefined) this.publications.delete(entityTag)
    const [key, value] = body?.content.toString().split('=') ?? []
    const isOver = this.#ends && says.get('a') === ENDS
    if (key !== undefined && value !== undefined && !isOver) says.set(key, value)
    const tag = `tag${++this.#tags}`
    if (expires > 0) this.publications.set(tag, says)
    return { kind: 'accepted', entityTag: tag, seconds: expires }
  }

  crash(): void {
    this.publications.clear()
  }
}

/** What is said last of this ends its publication. */
const ENDS = '0'
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
  record({
    kind: constantFrom('too brief' as const, 'crash' as const, 'again' as const, 'anew' as const, 'challenge' as const),
  }),
)

const SAY = { kind: 'say', key: 'a', value: 1, once: false } as const
const [TAKE, CRASH, CHALLENGE] = [{ kind: 'take' }, { kind: 'crash' }, { kind: 'challenge' }] as const
/** A 412 says that the credentials were taken: what is challenged after it is not challenged for the third time. */
const CHALLENGED_AROUND_412 = [SAY, TAKE, SAY, CRASH, CHALLENGE, CHALLENGE, TAKE, CHALLENGE]

/** Whose answer is lost, or who is not let in, may leave a publication behind until it expires. */
const FAILURES: ReadonlySet<string> = new Set(['lose', 'too brief', 'challenge'])
const KINDS = [
  ['documents', { addsUp: false, mayEnd: false }],
  ['states', { addsUp: true, mayEnd: false }],
  ['dialogs', { addsUp: false, mayEnd: true }],
] as const

describe('A publication of ours, whatever is answered', () => {
  for (const [what, { addsUp, mayEnd }] of KINDS)
    it(`leaves with the receiver what was said last, of all that is to hold: ${what}`, () => {
      assert(
        property(array(step, { maxLength: 60 }), boolean(), (given, isKept) => {
          const steps = given.filter((one) => !mayEnd || one.kind !== 'say' || (one.key === 'a' && !one.once))
          const receivers = SERVERS.map((_, at) => new Receiver(at === 0 && isKept ? 'kept' : undefined, mayEnd))
          let flying: { draft: Draft; done: (verdict: Verdict) => void } | undefined
          let [lost, challenged] = [0, 0]
          const publication = new OutboundPublication(
            {
              servers: SERVERS,
              expiration: 600,
              maxChallenges: 3,
              addsUp,
              mayEnd,
              now: () => 0,
              send: (draft, done) => {
                expect(flying, 'two at a time').to.equal(undefined)
                flying = { draft, done }
              },
              takeBack: ({ serverUri, entityTag }) => takes({ serverUri, entityTag, expires: 0, body: undefined }),
              remember: () => undefined,
              trouble: () => undefined,
              recovered: () => undefined,
            },
            isKept ? { serverUri: 'sip:one', entityTag: 'kept', expires: 1000_000 } : undefined,
          )
          const answer = (verdict: (draft: Draft) => Verdict): void => {
            const now = flying
            flying = undefined
            now?.done(verdict(now.draft))
          }
          const takes = (draft: Draft): Verdict =>
            receivers[SERVERS.indexOf(draft.serverUri)]?.take(draft) ?? { kind: 'forgotten' }
          const accepted = (): void => {
            lost = challenged = 0
            answer(takes)
          }
          /** Nobody waits here for the end of a rest. */
          const settle = (): void => {
            for (let left = 200; left > 0; left--) {
              if (publication.phase === 'waiting') publication.retry()
              else if (publication.phase === 'sending') accepted()
              else return
            }
          }
          const holds = new Map<string, string>()
          for (const each of steps) {
            if (each.kind === 'say') {
              const value = each.once ? 'none' : String(each.value)
              if (each.once) holds.delete(each.key)
              else holds.set(each.key, value)
              publication.say({
                ...each,
                body: () => ({
                  contentType: 'text/plain',
                  content: `${each.key}=${value}`,
                  ends: mayEnd && value === ENDS,
                }),
              })
            } else if (each.kind === 'again') publication.again()
            else if (each.kind === 'anew') publication.anew()
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
          settle()
          // A refresh would find out that the receiver has forgotten it.
          if (mayEnd) publication.again()
          else
            publication.say({
              key: 'last',
              once: true,
              body: () => ({ contentType: 'text/plain', content: 'last=none' }),
            })
          settle()
          // Of a dialog that nothing was said of it is left what was kept.
          if (mayEnd && holds.size === 0) return
          expect(publication.phase).to.equal('published')
          const tag = publication.lease?.entityTag ?? ''
          const said = receivers[SERVERS.indexOf(publication.serverUri)]?.publications.get(tag) ?? []
          expect(new Map([...said].filter(([, value]) => value !== 'none'))).to.deep.equal(holds)
          if (!steps.some(({ kind }) => FAILURES.has(kind)))
            expect(receivers.flatMap(({ publications }) => [...publications.keys()])).to.deep.equal([tag])
          publication.end(false)
        }),
        { numRuns: 2000, examples: [[CHALLENGED_AROUND_412, false]] },
      )
    })
})
