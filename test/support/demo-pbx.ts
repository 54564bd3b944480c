/** What the tests of the demo PBX share: a small office on it, and plain HTTP and WebSocket clients of ARI. */
import { WebSocket } from 'ws'
import { type PbxData } from '../../core/demo/data.ts'
import { type DemoPbx, type DemoPbxOptions, startDemoPbx } from '../../core/demo/pbx.ts'
import { pbxData } from './pbx-data.ts'
import { until } from './tools.ts'

/** The hints, mailboxes and endpoints that the answers of a real Asterisk were written down with. */
export const OFFICE: PbxData = pbxData({
  endpoints: {
    '100': { context: 'from-internal', auth: '100', aors: '100', callerid: '"Alice" <100>' },
    '101': { context: 'from-internal', device_state_busy_at: '1' },
    '102': { context: 'from-internal' },
    '103': { context: 'from-internal', callerid: '"Bob Example" <103>', allow_subscribe: 'no' },
  },
  auths: { '100': { auth_type: 'userpass', username: '100', password: 'secret100' } },
  aors: { '100': { mailboxes: '100@default', max_contacts: '1' } },
  hints: {
    'from-internal': {
      '100': 'PJSIP/100',
      '101': 'PJSIP/101&Custom:dnd101',
      '102': 'PJSIP/102,CustomPresence:102',
      '103': 'PJSIP/103(Bob Example)',
      _11X: 'PJSIP/${EXTEN}',
      '200': 'Custom:x',
      '201': 'Custom:a&Custom:b',
      '204': 'MWI:100@default',
      '205': ',CustomPresence:only205',
    },
    features: { '600': 'Custom:night' },
  },
  includes: { 'from-internal': ['features'] },
  mailboxes: { '100@default': '4100,User 100', '101@default': '4101,User 101,bob@example.com' },
})

export function officePbx(options: Partial<DemoPbxOptions> = {}): Promise<DemoPbx> {
  return startDemoPbx({ port: 0, data: OFFICE, ...options })
}

interface HttpAnswer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly json: unknown
}

/** `path` stands below `/ari/`. */
export async function ask(pbx: DemoPbx, method: string, path: string, body?: unknown): Promise<HttpAnswer> {
  return askAs(pbx, `${pbx.username}:${pbx.password}`, method, path, body)
}

export async function askAs(
  pbx: DemoPbx,
  credentials: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<HttpAnswer> {
  const basic = { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` }
  const response = await fetch(`${pbx.url}/ari/${path}`, {
    method,
    headers: { ...(credentials === '' ? {} : basic), connection: 'close', 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  })
  const text = await response.text()
  const isJson = response.headers.get('content-type') === 'application/json'
  return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : undefined }
}

interface ReceivedEvent {
  readonly type: string
  readonly [field: string]: unknown
}

/** One WebSocket on /events. */
export class Listener {
  readonly events: ReceivedEvent[] = []
  /** The close code, once it is closed. */
  closed: number | undefined
  readonly socket: WebSocket

  private constructor(socket: WebSocket) {
    this.socket = socket
    socket.on('message', (data) => this.events.push(JSON.parse(Buffer.from(data as Buffer).toString())))
    socket.on('close', (code) => {
      this.closed = code
    })
    socket.on('error', () => undefined)
  }

  static async open(pbx: DemoPbx, query: string): Promise<Listener> {
    const credentials = `api_key=${pbx.username}:${pbx.password}`
    const socket = new WebSocket(`${pbx.url.replace('http', 'ws')}/ari/events?${query}&${credentials}`)
    const listener = new Listener(socket)
    await until('the socket to open', () => socket.readyState !== WebSocket.CONNECTING)
    return listener
  }

  of(type: string): ReceivedEvent[] {
    return this.events.filter((event) => event.type === type)
  }

  /** `PJSIP/100 RINGING`, in the order they came. */
  get devices(): string[] {
    return this.of('DeviceStateChanged').map(({ device_state }) => {
      const { name, state } = device_state as { name: string; state: string }
      return `${name} ${state}`
    })
  }

  /** Each event in a line: type, device or channel, and what changed. */
  get story(): string[] {
    return this.events.map((event) => {
      const channel = (event['channel'] ?? event['peer']) as { name?: string; state?: string } | undefined
      const device = event['device_state'] as { name: string; state: string } | undefined
      if (device) return `device ${device.name} ${device.state}`
      const detail = event.type === 'Dial' ? String(event['dialstatus']) : (channel?.state ?? '')
      return `${event.type} ${(channel?.name ?? '').split('-')[0] ?? ''} ${detail}`.trim()
    })
  }

  async close(): Promise<void> {
    this.socket.close()
    await until('the socket to close', () => this.closed !== undefined)
  }
}
