/**
 * Mailboxes as devices: `MWI:100@default` is in use while there are new messages, as Asterisk's res_mwi_devstate has it.
 * An Asterisk that tells the state of the device is believed. What others say of the mailbox (a publisher, a notifier
 * elsewhere, the console) is said of the device as well, as an opinion like any other.
 */
import type { Undo } from '../scope.ts'
import type { Devices } from './devices.ts'
import { type Mailboxes, mailboxName, newestCounts } from './mailboxes.ts'
import type { Reader } from './reported.ts'

/** With a slash, as all origins whose states are not ours to publish. */
export const MAILBOX = 'mailbox/counts'

export class MailboxLamps implements Reader {
  readonly origin = MAILBOX
  readonly #devices: Devices
  readonly #mailboxes: Mailboxes
  readonly #undos: readonly Undo[]
  /** Mailbox in lower case → the devices that somebody has needed: `MWI:100` is that of `100@default`, too. */
  readonly #followed = new Map<string, Set<string>>()

  constructor(devices: Devices, mailboxes: Mailboxes) {
    this.#devices = devices
    this.#mailboxes = mailboxes
    this.#undos = [
      devices.addReader(this),
      devices.onReport((device, origin) => {
        if (origin !== MAILBOX && isMailbox(device)) this.#said(mailboxOf(device))
      }),
      mailboxes.onReport((name) => this.#said(name)),
    ]
    for (const device of devices.needed()) void this.read(device)
  }

  read(device: string): Promise<void> {
    if (isMailbox(device)) {
      const mailbox = mailboxOf(device)
      const key = mailbox.toLowerCase()
      const devices = this.#followed.get(key) ?? new Set()
      this.#followed.set(key, devices.add(device.toLowerCase()))
      this.#said(mailbox)
    }
    return Promise.resolve()
  }

  close(): void {
    for (const undo of this.#undos) void undo()
    this.#followed.clear()
    this.#devices.dropOrigin(MAILBOX)
  }

  #said(mailbox: string): void {
    const key = mailbox.toLowerCase()
    const devices = this.#followed.get(key)
    if (!devices) return
    for (const device of devices) {
      if (this.#devices.isNeeded(device)) this.#pass(device, mailbox)
      else this.#leave(key, devices, device)
    }
  }

  #pass(device: string, mailbox: string): void {
    const counts = newestCounts(this.#mailboxes.reports(mailbox).filter(({ origin }) => !this.#tells(origin, device)))
    this.#devices.set(MAILBOX, device, counts && (counts.newMessages > 0 ? 'INUSE' : 'NOT_INUSE'))
  }

  /** Whether it says by itself what the device is. One that is away has said so. */
  #tells(origin: string, device: string): boolean {
    const state = this.#devices.reportOf(origin, device)?.state
    return state !== undefined && state !== 'INVALID' && state !== 'UNKNOWN'
  }

  #leave(key: string, devices: Set<string>, device: string): void {
    devices.delete(device)
    if (devices.size === 0) this.#followed.delete(key)
    this.#devices.set(MAILBOX, device, undefined)
  }
}

function isMailbox(device: string): boolean {
  return device.slice(0, 4).toLowerCase() === 'mwi:'
}

function mailboxOf(device: string): string {
  return mailboxName(device.slice(4))
}
