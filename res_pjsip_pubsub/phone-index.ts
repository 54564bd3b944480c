/**
 * Which subscriptions a phone has for one thing. They are filed by a number made of what tells them apart, as a text of
 * all that would be the longest that is kept of a subscription; whoever has the same number is compared.
 */
import { randomInt } from 'node:crypto'
import { hashOf } from '../core/text.ts'
import type { SubscriptionFacts } from './subscription-facts.ts'

/** Phones behind one border controller have its host and port in their contacts, and are told apart by who they are. */
export type PhoneFacts = Pick<
  SubscriptionFacts,
  'endpoint' | 'watcher' | 'resource' | 'event' | 'eventId' | 'contactKey'
>

/** `nextOfPhone`: for the index alone. */
export class PhoneIndex<Member extends PhoneFacts & { nextOfPhone: Member | undefined }> {
  readonly #first = new Map<number, Member>()
  /** Nobody outside knows which names have the same number. */
  readonly #seed = randomInt(2 ** 31)

  add(member: Member): void {
    const number = this.#numberOf(member)
    const first = this.#first.get(number)
    if (!first) {
      this.#first.set(number, member)
      return
    }
    let last = first
    while (last.nextOfPhone) last = last.nextOfPhone
    last.nextOfPhone = member
  }

  delete(member: Member): void {
    const number = this.#numberOf(member)
    const first = this.#first.get(number)
    if (first === member) {
      if (member.nextOfPhone) this.#first.set(number, member.nextOfPhone)
      else this.#first.delete(number)
    }
    for (let before = first; before; before = before.nextOfPhone)
      if (before.nextOfPhone === member) before.nextOfPhone = member.nextOfPhone
    member.nextOfPhone = undefined
  }

  /** Oldest first; `except` is left out. */
  of(facts: PhoneFacts, except?: Member): readonly Member[] {
    let found: Member[] | undefined
    for (let one = this.#first.get(this.#numberOf(facts)); one; one = one.nextOfPhone)
      if (one !== except && isSame(one, facts)) (found ??= []).push(one)
    return found ?? []
  }

  #numberOf({ watcher, resource, contactKey }: PhoneFacts): number {
    return hashOf(watcher, hashOf(resource, hashOf(contactKey, this.#seed))) & 0x3fffffff
  }
}

function isSame(one: PhoneFacts, other: PhoneFacts): boolean {
  return (
    one.endpoint.id === other.endpoint.id &&
    one.event === other.event &&
    one.eventId === other.eventId &&
    one.resource === other.resource &&
    one.contactKey === other.contactKey &&
    one.watcher === other.watcher
  )
}
