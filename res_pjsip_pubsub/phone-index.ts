/**
 * Which subscriptions a phone has for one thing. They are filed by a number made of what tells them apart, as a text of
 * all that would be the longest that is kept of a subscription; whoever has the same number is compared.
 */
import { randomInt } from 'node:crypto'
import { HashIndex } from '../core/sip/hash-index.ts'
import { hashOf } from '../core/text.ts'
import type { SubscriptionFacts } from './subscription-facts.ts'

/** Phones behind one border controller have its host and port in their contacts, and are told apart by who they are. */
export type PhoneFacts = Pick<
  SubscriptionFacts,
  'endpoint' | 'watcher' | 'resource' | 'event' | 'eventId' | 'narrowed' | 'contactKey'
>

/** Nobody outside knows which names have the same number. */
const SEED = randomInt(2 ** 31)

export function numberOfName(name: string): number {
  return hashOf(name, SEED)
}

/** Of a phone and a thing, by the numbers of their names. */
export function phoneNumber(watcher: number, resource: number, contactKey: number): number {
  return (watcher + Math.imul(resource, 3) + Math.imul(contactKey, 5)) & 0x3fffffff
}

export interface PhoneMember extends PhoneFacts {
  /** Where it is among all; not changed while it is filed. */
  readonly place: number
  /** Rises from one that is made to the next. */
  readonly serial: number
  readonly phoneNumber: number
}

export class PhoneIndex<Member extends PhoneMember> {
  readonly #at: (place: number) => Member | undefined
  readonly #places = new HashIndex()

  /** `at`: who is in a place. */
  constructor(at: (place: number) => Member | undefined) {
    this.#at = at
  }

  add({ phoneNumber, place }: Member): void {
    this.#places.add(phoneNumber, place)
  }

  delete({ phoneNumber, place }: Member): void {
    this.#places.remove(phoneNumber, place)
  }

  /** Oldest first. */
  of(facts: PhoneFacts): readonly Member[] {
    const { watcher, resource, contactKey } = facts
    const number = phoneNumber(numberOfName(watcher), numberOfName(resource), numberOfName(contactKey))
    return this.#find(number, facts, undefined)
  }

  /** What the phone of a member has besides it, oldest first. */
  besides(member: Member): readonly Member[] {
    return this.#find(member.phoneNumber, member, member)
  }

  #find(number: number, facts: PhoneFacts, except: Member | undefined): readonly Member[] {
    let found: Member[] | undefined
    for (let others = 0; ; others++) {
      const place = this.#places.find(number, others)
      if (place < 0) break
      const one = this.#at(place)
      if (one && one !== except && isSame(one, facts)) (found ??= []).push(one)
    }
    return found?.sort((a, b) => a.serial - b.serial) ?? NONE
  }
}

const NONE: readonly never[] = []

function isSame(one: PhoneFacts, other: PhoneFacts): boolean {
  return (
    one.endpoint.id === other.endpoint.id &&
    one.event === other.event &&
    one.eventId === other.eventId &&
    one.resource === other.resource &&
    one.narrowed === other.narrowed &&
    one.contactKey === other.contactKey &&
    one.watcher === other.watcher
  )
}
