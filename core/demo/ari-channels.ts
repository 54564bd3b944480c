/** /channels: what runs now, and the probe channel that evaluates dialplan functions. Also /bridges, to look at. */
import { channelJson, type PbxChannel } from './channel.ts'
import { CAUSE } from './channels.ts'
import { splitArguments } from './functions.ts'
import type { Machine } from './machine.ts'
import { inBody, inPath, inQuery, type Operation } from './operation.ts'
import { type Answer, type AriRequest, failure, noContent, ok } from './request.ts'

const resource = 'channels'
/** One more is refused. */
const MOST_VARIABLES = 127

export function channelOperations(machine: Machine): Operation[] {
  const { channels } = machine
  const onChannel = (run: (channel: PbxChannel, request: AriRequest) => Answer) => (request: AriRequest) => {
    const channel = channels.get(request.path('channelId'))
    return channel ? run(channel, request) : failure(404, 'Provided channel was not found')
  }
  const channelId = inPath('channelId', 'The unique id of the channel.')
  const operations: Operation[] = [
    {
      resource,
      method: 'GET',
      path: '/channels',
      nickname: 'list',
      summary: 'All channels.',
      returns: 'List[Channel]',
      parameters: [],
      run: () => ok([...channels.all()].map(channelJson)),
    },
    {
      resource,
      method: 'POST',
      path: '/channels/create',
      nickname: 'create',
      summary: 'Makes a channel without dialling it.',
      returns: 'Channel',
      parameters: [
        inQuery('endpoint', 'Technology and address.', { required: true }),
        inQuery('app', 'The application it enters.', { required: true }),
        inQuery('appArgs', 'Arguments for the application.'),
        inQuery('channelId', 'Its unique id.'),
        inQuery('otherChannelId', 'The unique id of the second half of a Local channel.'),
        inQuery('originator', 'A channel whose codecs and line it takes over.'),
        inQuery('formats', 'Codecs.'),
        inBody('variables', 'containers', 'Variables to set.'),
      ],
      run: (request) => create(machine, request),
    },
    {
      resource,
      method: 'GET',
      path: '/channels/{channelId}',
      nickname: 'get',
      summary: 'One channel.',
      returns: 'Channel',
      parameters: [channelId],
      run: (request) => {
        const channel = channels.get(request.path('channelId'))
        return channel ? ok(channelJson(channel)) : failure(404, 'Channel not found')
      },
    },
    {
      resource,
      method: 'DELETE',
      path: '/channels/{channelId}',
      nickname: 'hangup',
      summary: 'Ends a channel.',
      returns: 'void',
      parameters: [channelId, inQuery('reason_code', 'Q.850 cause.'), inQuery('reason', 'Cause as a word.')],
      run: onChannel((channel) => {
        hangUp(machine, channel)
        return noContent
      }),
    },
    {
      resource,
      method: 'GET',
      path: '/channels/{channelId}/variable',
      nickname: 'getChannelVar',
      summary: 'A variable of a channel, or a dialplan function evaluated on it.',
      returns: 'Variable',
      parameters: [channelId, inQuery('variable', 'Name or function.', { required: true })],
      run: onChannel((channel, request) => {
        const name = request.text('variable')
        if (name === '') return failure(400, 'Variable name is required')
        const value = readVariable(machine, channel, name)
        return typeof value === 'string' ? ok({ value }) : value
      }),
    },
    {
      resource,
      method: 'POST',
      path: '/channels/{channelId}/variable',
      nickname: 'setChannelVar',
      summary: 'Sets a variable of a channel.',
      returns: 'void',
      parameters: [channelId, inQuery('variable', 'Its name.', { required: true }), inQuery('value', 'Its value.')],
      run: onChannel((channel, request) => {
        const name = request.text('variable')
        if (name === '') return failure(400, 'Variable name is required')
        channels.setVariable(channel, name, request.text('value'))
        return noContent
      }),
    },
  ]
  if (machine.settings.bulkVariables)
    operations.push({
      resource,
      method: 'GET',
      path: '/channels/{channelId}/variables',
      nickname: 'getChannelVars',
      summary: 'Several variables or functions; one that fails fails all.',
      returns: 'Variables',
      since: ['20.20.0', '22.10.0', '23.4.0'],
      parameters: [
        channelId,
        inQuery('variables', 'Names or functions, with commas between them.', { required: true }),
      ],
      run: onChannel((channel, request) => readVariables(machine, channel, request)),
    })
  return [...operations, ...bridgeOperations(machine)]
}

/** Ends what a call holds through the call, so that its other legs end too; the rest one by one. */
function hangUp(machine: Machine, channel: PbxChannel): void {
  const { channels, applications } = machine
  for (const call of machine.calls) {
    const endpoint = channel.device.slice('PJSIP/'.length)
    if (call.channel(endpoint) === channel) {
      call.hangUp(endpoint)
      return
    }
  }
  channels.requestHangup(channel, CAUSE.NORMAL)
  if (channel.app !== undefined) {
    applications.tell(channel.app, { type: 'StasisEnd', channel: channelJson(channel) })
    channels.setVariable(channel, 'STASISSTATUS', 'SUCCESS')
  }
  channels.destroy(channel, CAUSE.NORMAL)
  const other = channel.half === undefined ? undefined : channels.get(channel.half)
  if (other) channels.destroy(other, CAUSE.NORMAL)
  if (channel.technology === 'Local')
    for (let told = 0; told < 2; told++) applications.device(channel.device, 'INVALID')
}

function create(machine: Machine, request: AriRequest): Answer {
  const { channels, applications, states } = machine
  const [endpoint, app] = [request.text('endpoint'), request.text('app')]
  if (endpoint === '') return failure(400, 'Endpoint must be specified')
  if (app === '') return failure(400, 'Application must be specified')
  const id = request.text('channelId') || undefined
  if (id !== undefined && channels.get(id)) return failure(409, 'Channel with given unique ID already exists')
  const slash = endpoint.indexOf('/')
  const [technology, address] = [endpoint.slice(0, slash), endpoint.slice(slash + 1)]
  if (slash <= 0 || address === '') return failure(400, 'Invalid endpoint specified')
  const reachable = technology === 'Local' || (technology === 'PJSIP' && states.contact(address) !== undefined)
  if (!reachable) return { status: 500, body: { error: 'Allocation failed' } }
  const place = { context: 'default', exten: 's', priority: 1, app_name: '', app_data: '' }
  const channel =
    technology === 'Local'
      ? machine.createLocal(address, app, id)
      : channels.create({ id, technology, address, state: 'Down', dialplan: place, app })
  channels.setPlace(channel, { ...channel.dialplan, app_name: 'Stasis', app_data: app })
  channels.setVariable(channel, 'STASISSTATUS', '')
  applications.tell(app, { type: 'StasisStart', args: [], channel: channelJson(channel) })
  channel.dialplan = { ...channel.dialplan, app_name: '', app_data: '' }
  const answer = channelJson(channel)
  // An application that nobody listens to lets its channel die at once.
  if (!applications.connected(app)) hangUp(machine, channel)
  return ok(answer)
}

function readVariable(machine: Machine, channel: PbxChannel, name: string): string | Answer {
  if (name.endsWith(')')) return machine.evaluate(name, channel) ?? failure(500, 'Unable to read provided function')
  const value = channel.variables.get(name) ?? machine.globals.get(name)
  return value ?? failure(404, 'Provided variable was not found')
}

function readVariables(machine: Machine, channel: PbxChannel, request: AriRequest): Answer {
  const names = splitArguments(request.text('variables')).map((name) => name.trim())
  if (names.length === 1 && names[0] === '') return failure(400, 'Variable names are required')
  if (names.length > MOST_VARIABLES) return failure(400, 'Too many values for variables')
  const variables: Record<string, string> = {}
  for (const name of names) {
    const value = readVariable(machine, channel, name)
    if (typeof value !== 'string') return value
    variables[name] = value
  }
  return ok({ variables })
}

function bridgeOperations({ calls }: Machine): Operation[] {
  const bridges = (): Record<string, unknown>[] =>
    [...calls].map((call) => call.bridge).filter((bridge) => bridge !== undefined)
  return [
    {
      resource: 'bridges',
      method: 'GET',
      path: '/bridges',
      nickname: 'list',
      summary: 'All bridges.',
      returns: 'List[Bridge]',
      parameters: [],
      run: () => ok(bridges()),
    },
    {
      resource: 'bridges',
      method: 'GET',
      path: '/bridges/{bridgeId}',
      nickname: 'get',
      summary: 'One bridge.',
      returns: 'Bridge',
      parameters: [inPath('bridgeId', 'Its id.')],
      run: (request) => {
        const bridge = bridges().find(({ id }) => id === request.path('bridgeId'))
        return bridge ? ok(bridge) : failure(404, 'Bridge not found')
      },
    },
  ]
}
