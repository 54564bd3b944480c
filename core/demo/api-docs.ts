/** The api-docs (swagger 1.1) that ARI clients build themselves from: written from the operations and these models. */
import type { Operation } from './operation.ts'

/** `name?` is optional. Types are swagger's: another model's name, `string`, `int`, `boolean`, `Date`, `object`, `List[T]`. */
type Model = Readonly<Record<string, string>>

const MODELS: Readonly<Record<string, Readonly<Record<string, Model>>>> = {
  asterisk: {
    BuildInfo: { os: 'string', kernel: 'string', options: 'string', machine: 'string', date: 'string', user: 'string' },
    SystemInfo: { version: 'string', entity_id: 'string' },
    SetId: { user: 'string', group: 'string' },
    ConfigInfo: { name: 'string', default_language: 'string', 'max_channels?': 'int', setid: 'SetId' },
    StatusInfo: { startup_time: 'Date', last_reload_time: 'Date' },
    AsteriskInfo: {
      'build?': 'BuildInfo',
      'system?': 'SystemInfo',
      'config?': 'ConfigInfo',
      'status?': 'StatusInfo',
    },
    AsteriskPing: { asterisk_id: 'string', ping: 'string', timestamp: 'Date' },
    Module: { name: 'string', description: 'string', use_count: 'int', status: 'string', support_level: 'string' },
    Variable: { value: 'string' },
    ConfigTuple: { attribute: 'string', value: 'string' },
  },
  channels: {
    Dialed: {},
    DialplanCEP: { context: 'string', exten: 'string', priority: 'long', app_name: 'string', app_data: 'string' },
    CallerID: { name: 'string', number: 'string' },
    Channel: {
      id: 'string',
      protocol_id: 'string',
      name: 'string',
      state: 'string',
      caller: 'CallerID',
      connected: 'CallerID',
      accountcode: 'string',
      dialplan: 'DialplanCEP',
      creationtime: 'Date',
      language: 'string',
    },
    Variable: { value: 'string' },
    Variables: { variables: 'object' },
  },
  bridges: {
    Bridge: {
      id: 'string',
      technology: 'string',
      bridge_type: 'string',
      bridge_class: 'string',
      creator: 'string',
      name: 'string',
      channels: 'List[string]',
      creationtime: 'Date',
      'video_mode?': 'string',
    },
  },
  deviceStates: { DeviceState: { name: 'string', state: 'string' } },
  endpoints: {
    Endpoint: { technology: 'string', resource: 'string', 'state?': 'string', channel_ids: 'List[string]' },
  },
  mailboxes: { Mailbox: { name: 'string', old_messages: 'int', new_messages: 'int' } },
  applications: {
    Application: {
      name: 'string',
      channel_ids: 'List[string]',
      bridge_ids: 'List[string]',
      endpoint_ids: 'List[string]',
      device_names: 'List[string]',
      events_allowed: 'List[object]',
      events_disallowed: 'List[object]',
    },
  },
}

const EVENT: Model = { type: 'string', 'asterisk_id?': 'string', application: 'string', timestamp: 'Date' }

/** Event → its own fields. A client that finds no model for an event it is sent may end itself, so all that are sent are here. */
const EVENTS: Readonly<Record<string, Model>> = {
  ApplicationReplaced: {},
  BridgeCreated: { bridge: 'Bridge' },
  BridgeDestroyed: { bridge: 'Bridge' },
  ChannelConnectedLine: { channel: 'Channel' },
  ChannelCreated: { channel: 'Channel' },
  ChannelDestroyed: { cause: 'int', cause_txt: 'string', channel: 'Channel' },
  ChannelDialplan: { channel: 'Channel', dialplan_app: 'string', dialplan_app_data: 'string' },
  ChannelEnteredBridge: { bridge: 'Bridge', 'channel?': 'Channel' },
  ChannelHangupRequest: { 'cause?': 'int', 'soft?': 'boolean', channel: 'Channel' },
  ChannelHold: { channel: 'Channel', 'musicclass?': 'string' },
  ChannelLeftBridge: { bridge: 'Bridge', channel: 'Channel' },
  ChannelStateChange: { channel: 'Channel' },
  ChannelUnhold: { channel: 'Channel' },
  ChannelVarset: { variable: 'string', value: 'string', 'channel?': 'Channel' },
  ContactStatusChange: { endpoint: 'Endpoint', contact_info: 'ContactInfo' },
  DeviceStateChanged: { device_state: 'DeviceState' },
  Dial: {
    'caller?': 'Channel',
    peer: 'Channel',
    'forward?': 'string',
    'dialstring?': 'string',
    dialstatus: 'string',
    'forwarded?': 'Channel',
  },
  EndpointStateChange: { endpoint: 'Endpoint' },
  PeerStatusChange: { endpoint: 'Endpoint', peer: 'Peer' },
  StasisEnd: { channel: 'Channel' },
  StasisStart: { args: 'List[string]', channel: 'Channel', 'replace_channel?': 'Channel' },
}

const EVENT_PARTS: Readonly<Record<string, Model>> = {
  ContactInfo: { uri: 'string', contact_status: 'string', aor: 'string', 'roundtrip_usec?': 'string' },
  Peer: { peer_status: 'string', 'cause?': 'string', 'address?': 'string', 'port?': 'string', 'time?': 'string' },
}

const RESOURCES: Readonly<Record<string, string>> = {
  asterisk: 'Asterisk resources',
  endpoints: 'Endpoint resources',
  channels: 'Channel resources',
  bridges: 'Bridge resources',
  deviceStates: 'Device state resources',
  mailboxes: 'Mailboxes resources',
  events: 'WebSocket resource',
  applications: 'Stasis application resources',
}

const HEAD = { apiVersion: '12.0.0', swaggerVersion: '1.1' }

/** `/ari/api-docs/resources.json` */
export function resourceList(basePath: string): Record<string, unknown> {
  const apis = Object.entries(RESOURCES).map(([name, description]) => ({
    path: `/api-docs/${name}.{format}`,
    description,
  }))
  return { ...HEAD, basePath, apis }
}

/** `/ari/api-docs/{resource}.json`, or undefined where there is no such resource. */
export function resourceDocument(
  resource: string,
  basePath: string,
  operations: readonly Operation[],
): Record<string, unknown> | undefined {
  if (!Object.hasOwn(RESOURCES, resource)) return undefined
  const paths = new Map<string, Record<string, unknown>[]>()
  for (const operation of operations.filter((candidate) => candidate.resource === resource)) {
    const known = paths.get(operation.path)
    if (known) known.push(operationJson(operation))
    else paths.set(operation.path, [operationJson(operation)])
  }
  return {
    ...HEAD,
    basePath,
    resourcePath: `/api-docs/${resource}.{format}`,
    apis: [...paths].map(([path, all]) => ({ path, description: RESOURCES[resource], operations: all })),
    models: Object.fromEntries(Object.entries(modelsOf(resource)).map(([id, model]) => [id, modelJson(id, model)])),
  }
}

function operationJson(operation: Operation): Record<string, unknown> {
  return {
    httpMethod: operation.method,
    ...(operation.since ? { since: operation.since } : {}),
    summary: operation.summary,
    nickname: operation.nickname,
    responseClass: operation.returns,
    parameters: operation.parameters.map((parameter) => ({
      name: parameter.name,
      description: parameter.doc,
      paramType: parameter.in,
      required: parameter.required,
      allowMultiple: false,
      dataType: parameter.type,
    })),
    errorResponses: [],
  }
}

function modelsOf(resource: string): Readonly<Record<string, Model>> {
  if (resource !== 'events') return MODELS[resource] ?? {}
  const events = Object.entries(EVENTS).map(([name, own]): [string, Model] => [name, { ...EVENT, ...own }])
  const shared = ['channels', 'bridges', 'deviceStates', 'endpoints'].map((name) => MODELS[name] ?? {})
  return Object.assign({}, ...shared, EVENT_PARTS, Object.fromEntries(events)) as Record<string, Model>
}

function modelJson(id: string, model: Model): Record<string, unknown> {
  const properties = Object.entries(model).map(([name, type]) => {
    const required = !name.endsWith('?')
    return [required ? name : name.slice(0, -1), { type, required, description: '' }]
  })
  return { id, description: '', properties: Object.fromEntries(properties) }
}
