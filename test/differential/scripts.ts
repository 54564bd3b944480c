/** What is said to both servers. A script sees nothing of which server it plays with. */
import type { PhoneDialog, PhoneRequest, WireMessage } from '../support/phone.ts'
import { TestPhone } from '../support/phone.ts'
import { answerSeen, notifySeen } from './observation.ts'

export interface Script {
  readonly name: string
  /** Default: one of its own. */
  readonly resource?: string
  play(stage: Stage): Promise<void>
}

type Headers = readonly (readonly [string, string])[]

/** Two phones, a resource that nobody has used, and what was seen, line by line. */
export class Stage {
  readonly seen: string[] = []
  readonly resource: string
  readonly #port: number
  readonly #phones: TestPhone[] = []

  constructor(port: number, resource: string) {
    this.#port = port
    this.resource = resource
  }

  get uri(): string {
    return `sip:${this.resource}@127.0.0.1`
  }

  async phone(user: string): Promise<TestPhone> {
    const phone = await TestPhone.open({ server: { address: '127.0.0.1', port: this.#port }, user, patience: 4000 })
    this.#phones.push(phone)
    return phone
  }

  /** Notes the answer. */
  async ask(phone: TestPhone, what: string, method: string, request: PhoneRequest): Promise<WireMessage> {
    const answer = await phone.request(method, request)
    this.seen.push(`${what}: ${answerSeen(answer)}`)
    return answer
  }

  async subscribe(phone: TestPhone, event: string, expires: string, more: Headers = []): Promise<PhoneDialog> {
    const dialog = phone.dialog(this.uri)
    const headers: Headers = [['Event', event], ['Expires', expires], ...more]
    await this.ask(phone, 'SUBSCRIBE', 'SUBSCRIBE', { dialog, headers })
    return dialog
  }

  async publish(phone: TestPhone, event: string, request: { body?: string; type?: string; headers?: Headers } = {}) {
    const { body, type, headers = [] } = request
    const content: Headers = type === undefined ? [] : [['Content-Type', type]]
    const expires: Headers = headers.some(([name]) => name === 'Expires') ? [] : [['Expires', '600']]
    const answer = await this.ask(phone, 'PUBLISH', 'PUBLISH', {
      uri: this.uri,
      dialog: phone.dialog(this.uri),
      headers: [['Event', event], ...expires, ...content, ...headers],
      ...(body === undefined ? {} : { body }),
    })
    return answer.header('sip-etag')
  }

  /** Notes the next NOTIFY, or that there is none. */
  async notified(phone: TestPhone, patience = 1500): Promise<WireMessage | undefined> {
    const notify = await phone.next('NOTIFY', patience).catch(() => undefined)
    this.seen.push(notify ? notifySeen(notify, [[this.resource, 'RESOURCE']]) : 'no NOTIFY')
    return notify
  }

  async leave(): Promise<void> {
    for (const phone of this.#phones) await phone.close()
  }
}

const PIDF = 'application/pidf+xml'
const DIALOG_INFO = 'application/dialog-info+xml'
const SUMMARY = 'application/simple-message-summary'

export function pidf(resource: string, tuple: string, basic: 'open' | 'closed', note = ''): string {
  const said = note === '' ? '' : `<note>${note}</note>`
  return `<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:${resource}@127.0.0.1"><tuple id="${tuple}"><status><basic>${basic}</basic></status>${said}</tuple></presence>`
}

function person(resource: string, id: string, activity: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:${resource}@127.0.0.1"><dm:person id="${id}"><rpid:activities><rpid:${activity}/></rpid:activities></dm:person></presence>`
}

export function dialogInfo(resource: string, id: string, state: string): string {
  return `<?xml version="1.0"?>
<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="0" state="full" entity="sip:${resource}@127.0.0.1"><dialog id="${id}" call-id="${id}" direction="recipient"><state>${state}</state></dialog></dialog-info>`
}

export function summary(resource: string, fresh: number, old: number): string {
  return `Messages-Waiting: ${fresh > 0 ? 'yes' : 'no'}\r\nMessage-Account: sip:${resource}@127.0.0.1\r\nVoice-Message: ${fresh}/${old} (0/0)\r\n`
}

const refused = (name: string, headers: Headers, contact = true): Script => ({
  name,
  async play(stage) {
    const phone = await stage.phone('bob')
    await stage.ask(phone, 'SUBSCRIBE', 'SUBSCRIBE', { dialog: phone.dialog(stage.uri), headers, contact })
  },
})

const nothingThere = (event: string, accept: string): Script => ({
  name: `SUBSCRIBE to ${event} of something that nobody published`,
  async play(stage) {
    const bob = await stage.phone('bob')
    await stage.subscribe(bob, event, '600', [['Accept', accept]])
    await stage.notified(bob)
  },
})

/** Publishes, changes, refreshes and takes back; a watcher sees each. */
const life = (event: string, type: string, body: (resource: string, step: number) => string): Script => ({
  name: `the life of a publication for ${event}`,
  async play(stage) {
    const alice = await stage.phone('alice')
    const bob = await stage.phone('bob')
    await stage.subscribe(bob, event, '600', [['Accept', type]])
    await stage.notified(bob)
    let tag = await stage.publish(alice, event, { type, body: body(stage.resource, 0) })
    await stage.notified(bob)
    tag = await stage.publish(alice, event, { type, body: body(stage.resource, 1), headers: [['SIP-If-Match', tag]] })
    await stage.notified(bob)
    tag = await stage.publish(alice, event, { headers: [['SIP-If-Match', tag]] })
    await stage.notified(bob, 400)
    await stage.publish(alice, event, { headers: [['SIP-If-Match', tag], ['Expires', '0']] }) // biome-ignore format: one
    await stage.notified(bob)
    await stage.publish(alice, event, { headers: [['SIP-If-Match', tag]] })
  },
})

const together = (
  event: string,
  type: string,
  bodies: (resource: string) => readonly [string, string],
  name = `two publishers of ${event}`,
): Script => ({
  name,
  async play(stage) {
    const [first, second] = bodies(stage.resource)
    await stage.publish(await stage.phone('alice'), event, { type, body: first })
    await stage.publish(await stage.phone('carol'), event, { type, body: second })
    const bob = await stage.phone('bob')
    await stage.subscribe(bob, event, '600', [['Accept', type]])
    await stage.notified(bob)
  },
})

export const SCRIPTS: readonly Script[] = [
  nothingThere('presence', PIDF),
  nothingThere('dialog', DIALOG_INFO),
  nothingThere('message-summary', SUMMARY),
  refused('an event nobody knows', [['Event', 'weather'], ['Expires', '600']]), // biome-ignore format: one
  refused('no Event', [['Expires', '600']]),
  refused('no Contact', [['Event', 'dialog'], ['Expires', '600']], false), // biome-ignore format: one
  refused('an Accept that nothing fits', [['Event', 'dialog'], ['Accept', 'text/html'], ['Expires', '600']]), // biome-ignore format: one
  refused('too short', [['Event', 'dialog'], ['Expires', '1']]), // biome-ignore format: one
  refused('Expires that is no number', [['Event', 'dialog'], ['Expires', 'soon']]), // biome-ignore format: one
  {
    name: 'longer than max_expires, and no Expires at all',
    async play(stage) {
      const bob = await stage.phone('bob')
      await stage.subscribe(bob, 'dialog', '86400')
      await stage.notified(bob)
      const carol = await stage.phone('carol')
      await stage.ask(carol, 'SUBSCRIBE', 'SUBSCRIBE', {
        dialog: carol.dialog(stage.uri),
        headers: [['Event', 'dialog']],
      })
    },
  },
  {
    name: 'a fetch with Expires 0',
    async play(stage) {
      const bob = await stage.phone('bob')
      await stage.subscribe(bob, 'dialog', '0')
      await stage.notified(bob)
    },
  },
  {
    name: 'refresh, a CSeq that goes back, and the end',
    async play(stage) {
      const bob = await stage.phone('bob')
      const dialog = await stage.subscribe(bob, 'dialog', '600')
      await stage.notified(bob)
      const headers: Headers = [['Event', 'dialog'], ['Expires', '300']] // biome-ignore format: one
      await stage.ask(bob, 'refresh', 'SUBSCRIBE', { dialog, headers })
      await stage.notified(bob)
      const before = dialog.cseq
      dialog.cseq = 0
      await stage.ask(bob, 'an old CSeq', 'SUBSCRIBE', { dialog, headers })
      dialog.cseq = before
      await stage.ask(bob, 'end', 'SUBSCRIBE', { dialog, headers: [['Event', 'dialog'], ['Expires', '0']] }) // biome-ignore format: one
      await stage.notified(bob)
      await stage.ask(bob, 'after the end', 'SUBSCRIBE', { dialog, headers })
    },
  },
  {
    name: 'a SUBSCRIBE in a dialog that there never was',
    async play(stage) {
      const bob = await stage.phone('bob')
      const dialog = { ...bob.dialog(stage.uri), remoteTag: 'nobody' }
      await stage.ask(bob, 'SUBSCRIBE', 'SUBSCRIBE', { dialog, headers: [['Event', 'dialog'], ['Expires', '600']] }) // biome-ignore format: one
    },
  },
  {
    name: 'Event with an id, and with another one in the same dialog',
    async play(stage) {
      const bob = await stage.phone('bob')
      const dialog = await stage.subscribe(bob, 'dialog;id=7', '600')
      await stage.notified(bob)
      const headers: Headers = [['Event', 'dialog;id=8'], ['Expires', '600']] // biome-ignore format: one
      await stage.ask(bob, 'second in the dialog', 'SUBSCRIBE', { dialog, headers })
      await stage.notified(bob)
    },
  },
  life('presence', PIDF, (resource, step) => pidf(resource, 'phone', step === 0 ? 'open' : 'closed', 'Lunch')),
  life('dialog', DIALOG_INFO, (resource, step) => dialogInfo(resource, 'call-1', step === 0 ? 'early' : 'confirmed')),
  life('message-summary', SUMMARY, (resource, step) => summary(resource, 1 + step, 2)),
  together('presence', PIDF, (resource) => [pidf(resource, 'desk', 'open'), pidf(resource, 'mobile', 'closed')]),
  together('dialog', DIALOG_INFO, (resource) => [
    dialogInfo(resource, 'call-1', 'early'),
    dialogInfo(resource, 'call-2', 'confirmed'),
  ]),
  together('message-summary', SUMMARY, (resource) => [summary(resource, 1, 0), summary(resource, 3, 1)]),
  {
    name: 'a message summary with the headers of a message',
    async play(stage) {
      const body = `${summary(stage.resource, 1, 0)}\r\nFrom: carol@example.com\r\nMessage-ID: 27775334485@example.com\r\n`
      await stage.publish(await stage.phone('alice'), 'message-summary', { type: SUMMARY, body })
      const bob = await stage.phone('bob')
      await stage.subscribe(bob, 'message-summary', '600', [['Accept', SUMMARY]])
      await stage.notified(bob)
    },
  },
  {
    name: 'a publication that expires',
    async play(stage) {
      const bob = await stage.phone('bob')
      await stage.publish(await stage.phone('alice'), 'presence', {
        type: PIDF,
        body: pidf(stage.resource, 'phone', 'open'),
        headers: [['Expires', '2']],
      })
      await stage.subscribe(bob, 'presence', '600', [['Accept', PIDF]])
      await stage.notified(bob)
      await stage.notified(bob, 5000)
    },
  },
  {
    name: 'PUBLISH that cannot be taken',
    async play(stage) {
      const alice = await stage.phone('alice')
      const body = pidf(stage.resource, 'phone', 'open')
      await stage.publish(alice, 'weather', { type: PIDF, body })
      await stage.publish(alice, 'presence', {})
      await stage.publish(alice, 'presence', { type: 'text/html', body: '<p>open</p>' })
      await stage.publish(alice, 'presence', { type: PIDF, body: '<presence><tuple>' })
      await stage.publish(alice, 'presence', { type: PIDF, body, headers: [['SIP-If-Match', 'never-given']] })
      await stage.publish(alice, 'presence', { type: PIDF, body, headers: [['Expires', '1']] })
      await stage.publish(alice, 'message-summary', { type: SUMMARY, body: 'no summary' })
    },
  },
  {
    name: 'an early that comes after terminated',
    async play(stage) {
      const alice = await stage.phone('alice')
      const bob = await stage.phone('bob')
      let tag = ''
      for (const state of ['early', 'terminated', 'early']) {
        const headers: Headers = tag === '' ? [] : [['SIP-If-Match', tag]]
        tag = await stage.publish(alice, 'dialog', {
          type: DIALOG_INFO,
          body: dialogInfo(stage.resource, 'call-1', state),
          headers,
        })
      }
      await stage.subscribe(bob, 'dialog', '600', [['Accept', DIALOG_INFO]])
      await stage.notified(bob)
    },
  },
  {
    name: 'one publishes twice, without the entity-tag of the first',
    async play(stage) {
      const alice = await stage.phone('alice')
      const bob = await stage.phone('bob')
      await stage.publish(alice, 'presence', { type: PIDF, body: pidf(stage.resource, 'before', 'open') })
      await stage.publish(alice, 'presence', { type: PIDF, body: pidf(stage.resource, 'after', 'closed') })
      await stage.subscribe(bob, 'presence', '600', [['Accept', PIDF]])
      await stage.notified(bob)
    },
  },
  {
    name: 'two publishers that take back what they said, one after the other',
    async play(stage) {
      const bob = await stage.phone('bob')
      await stage.subscribe(bob, 'dialog', '600', [['Accept', DIALOG_INFO]])
      await stage.notified(bob)
      const publications: (readonly [TestPhone, string])[] = []
      for (const [name, callId] of [
        ['alice', 'call-1'],
        ['carol', 'call-2'],
      ] as const) {
        // biome-ignore format: a table
        const phone = await stage.phone(name)
        const body = dialogInfo(stage.resource, callId, 'confirmed')
        publications.push([phone, await stage.publish(phone, 'dialog', { type: DIALOG_INFO, body })])
        await stage.notified(bob)
      }
      for (const [phone, tag] of publications) {
        await stage.publish(phone, 'dialog', { headers: [['SIP-If-Match', tag], ['Expires', '0']] }) // biome-ignore format: one
        await stage.notified(bob, 3000)
      }
    },
  },
  together(
    'dialog',
    DIALOG_INFO,
    (resource) => {
      const body = (callId: string): string =>
        dialogInfo(resource, callId, 'confirmed').replace(`id="${callId}"`, 'id="d"')
      return [body('call-1'), body('call-2')]
    },
    'two publishers whose dialogs have one id',
  ),
  together(
    'presence',
    PIDF,
    (resource) => [person(resource, 'alice', 'away'), person(resource, 'carol', 'busy')],
    'two publishers that say what a person does',
  ),
  {
    name: 'the next call in a publication whose call is over',
    async play(stage) {
      const alice = await stage.phone('alice')
      const bob = await stage.phone('bob')
      const calls = [['call-1', 'confirmed'], ['call-1', 'terminated'], ['call-2', 'early'], ['call-2', 'confirmed']] as const // biome-ignore format: a table
      let tag = ''
      for (const [callId, state] of calls) {
        const headers: Headers = tag === '' ? [] : [['SIP-If-Match', tag]]
        const body = dialogInfo(stage.resource, callId, state)
        tag = await stage.publish(alice, 'dialog', { type: DIALOG_INFO, body, headers })
      }
      await stage.subscribe(bob, 'dialog', '600', [['Accept', DIALOG_INFO]])
      await stage.notified(bob)
    },
  },
  {
    name: 'PUBLISH with Expires 0 for what was never published',
    async play(stage) {
      const alice = await stage.phone('alice')
      await stage.publish(alice, 'presence', { headers: [['Expires', '0']] })
    },
  },
  {
    name: 'PUBLISH for an event nobody knows, for a time that is no number',
    async play(stage) {
      await stage.publish(await stage.phone('alice'), 'weather', { headers: [['Expires', 'soon']] })
    },
  },
  {
    name: 'a subscription that runs out',
    async play(stage) {
      const bob = await stage.phone('bob')
      const body = dialogInfo(stage.resource, 'call-1', 'confirmed')
      await stage.publish(await stage.phone('alice'), 'dialog', { type: DIALOG_INFO, body })
      await stage.subscribe(bob, 'dialog', '2', [['Accept', DIALOG_INFO]])
      await stage.notified(bob)
      await stage.notified(bob, 8000)
    },
  },
  {
    name: 'a shared line',
    async play(stage) {
      const body = dialogInfo(stage.resource, 'call-1', 'confirmed')
      const alice = await stage.phone('alice')
      await stage.publish(alice, 'dialog;sla', { type: DIALOG_INFO, body })
      const headers: Headers = [['Sender', 'sip:alice@127.0.0.1']]
      const tag = await stage.publish(alice, 'dialog;sla', { type: DIALOG_INFO, body, headers })
      const bob = await stage.phone('bob')
      await stage.subscribe(bob, 'dialog;sla', '600', [['Accept', DIALOG_INFO]])
      await stage.notified(bob)
      const known: Headers = [...headers, ['SIP-If-Match', tag]]
      const next = dialogInfo(stage.resource, 'call-2', 'early')
      await stage.publish(alice, 'dialog;sla', { type: DIALOG_INFO, body: next, headers: known })
      await stage.notified(bob)
      await stage.publish(alice, 'dialog;sla', { headers: [...known, ['Expires', '0']] })
      await stage.notified(bob)
    },
  },
  {
    name: 'who watches the watchers',
    resource: 'owner',
    async play(stage) {
      const bob = await stage.phone('bob')
      await stage.subscribe(bob, 'presence', '600', [['Accept', PIDF]])
      await stage.notified(bob)
      const owner = await stage.phone(stage.resource)
      await stage.subscribe(owner, 'presence.winfo', '600', [['Accept', 'application/watcherinfo+xml']])
      await stage.notified(owner)
    },
  },
]
