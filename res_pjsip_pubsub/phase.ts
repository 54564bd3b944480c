/**
 * The life of a subscription:
 *
 *     waiting ◀──lost──┐            waiting: nothing is known of its state; restored, or its package is away
 *        └────found──▶ active       active: watches its state, each change becomes a NOTIFY
 *     waiting, active ──end──▶ ending      ending: the final NOTIFY is on its way
 *     any ──drop──▶ ended           ended: nothing is sent or kept any more
 */
export type Phase = 'waiting' | 'active' | 'ending' | 'ended'
export type Happening = 'found' | 'lost' | 'end' | 'drop'

/** What is not there cannot happen. */
export const NEXT: Readonly<Record<Phase, Partial<Readonly<Record<Happening, Phase>>>>> = {
  waiting: { found: 'active', end: 'ending', drop: 'ended' },
  active: { lost: 'waiting', end: 'ending', drop: 'ended' },
  ending: { drop: 'ended' },
  ended: {},
}

/** What the contract calls these phases. */
export const SHOWN = { waiting: 'pending', active: 'active', ending: 'terminated', ended: 'terminated' } as const
