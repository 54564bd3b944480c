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

/** `MWI:100` is that of `100@default`, too. */
const OF_DEFAULT = /^(.*)@default$/is

export class MailboxLamps implements Reader {
  readonly origin = MAILBOX
  readonly #devices: Devices
  readonly #mailboxes: Mailboxes
  readonly #undos: readonly Undo[]

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
    if (isMailbox(device)) this.#said(mailboxOf(device))
    return Promise.resolve()
  }

  close(): void {
    for (const undo of this.#undos) void undo()
    this.#devices.dropOrigin(MAILBOX)
  }

  #said(mailbox: string): void {
    this.#pass(`MWI:${mailbox}`, mailbox)
    const [, short] = OF_DEFAULT.exec(mailbox) ?? []
    if (short !== undefined) this.#pass(`MWI:${short}`, mailbox)
  }

  #pass(device: string, mailbox: string): void {
    if (!this.#devices.isNeeded(device)) return this.#devices.set(MAILBOX, device, undefined)
    const counts = newestCounts(this.#mailboxes.reports(mailbox).filter(({ origin }) => !this.#tells(origin, device)))
    this.#devices.set(MAILBOX, device, counts && (counts.newMessages > 0 ? 'INUSE' : 'NOT_INUSE'))
  }

  /** Whether it says by itself what the device is. One that is away has said so. */
  #tells(origin: string, device: string): boolean {
    const state = this.#devices.reportOf(origin, device)?.state
    return state !== undefined && state !== 'INVALID' && state !== 'UNKNOWN'
  }
}

function isMailbox(device: string): boolean {
  return device.slice(0, 4).toLowerCase() === 'mwi:'
}

function mailboxOf(device: string): string {
  return mailboxName(device.slice(4))
}
