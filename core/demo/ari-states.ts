/** /deviceStates, /endpoints and /mailboxes. */
import { isDeviceState } from '../states/devices.ts'
import type { Machine } from './machine.ts'
import { inPath, inQuery, type Operation } from './operation.ts'
import { failure, noContent, ok } from './request.ts'

export function stateOperations(machine: Machine): Operation[] {
  return [
    ...deviceOperations(machine),
    ...endpointOperations(machine),
    ...(machine.loaded('res_ari_mailboxes.so') ? mailboxOperations(machine) : []),
  ]
}

function deviceOperations({ states }: Machine): Operation[] {
  const resource = 'deviceStates'
  const deviceName = inPath('deviceName', 'The name of the device.')
  return [
    {
      resource,
      method: 'GET',
      path: '/deviceStates',
      nickname: 'list',
      summary: 'The devices that ARI controls.',
      returns: 'List[DeviceState]',
      parameters: [],
      run: () => ok(states.listSet('Stasis:')),
    },
    {
      resource,
      method: 'GET',
      path: '/deviceStates/{deviceName}',
      nickname: 'get',
      summary: 'The state of any device.',
      returns: 'DeviceState',
      parameters: [deviceName],
      run: (request) => {
        const name = request.path('deviceName')
        return ok({ name, state: states.get(name) })
      },
    },
    {
      resource,
      method: 'PUT',
      path: '/deviceStates/{deviceName}',
      nickname: 'update',
      summary: 'Sets the state of a device that ARI controls.',
      returns: 'void',
      parameters: [deviceName, inQuery('deviceState', 'The state.', { required: true })],
      run: (request) => {
        const name = request.path('deviceName')
        const state = request.text('deviceState')
        if (!name.startsWith('Stasis:')) return failure(409, 'Uncontrolled device specified')
        if (!isDeviceState(state) || state === 'UNKNOWN') return failure(500, 'Unknown device state')
        states.set(name, state)
        return noContent
      },
    },
    {
      resource,
      method: 'DELETE',
      path: '/deviceStates/{deviceName}',
      nickname: 'delete',
      summary: 'Forgets a device that ARI controls.',
      returns: 'void',
      parameters: [deviceName],
      run: (request) => {
        const name = request.path('deviceName')
        if (!name.startsWith('Stasis:')) return failure(409, 'Uncontrolled device specified')
        if (states.listSet(name).length === 0) return failure(404, 'Device name is missing')
        states.unset(name)
        return noContent
      },
    },
  ]
}

function endpointOperations(machine: Machine): Operation[] {
  const resource = 'endpoints'
  const ids = machine.settings.data.endpoints.map((endpoint) => endpoint.id)
  const list = (): unknown[] => ids.map((id) => machine.endpointJson(id))
  const tech = inPath('tech', 'The technology: PJSIP.')
  return [
    {
      resource,
      method: 'GET',
      path: '/endpoints',
      nickname: 'list',
      summary: 'All endpoints.',
      returns: 'List[Endpoint]',
      parameters: [],
      run: () => ok(list()),
    },
    {
      resource,
      method: 'GET',
      path: '/endpoints/{tech}',
      nickname: 'listByTech',
      summary: 'The endpoints of a technology.',
      returns: 'List[Endpoint]',
      parameters: [tech],
      run: (request) =>
        request.path('tech').toUpperCase() === 'PJSIP'
          ? ok(list())
          : failure(404, `No Endpoints found - invalid tech ${request.path('tech')}`),
    },
    {
      resource,
      method: 'GET',
      path: '/endpoints/{tech}/{resource}',
      nickname: 'get',
      summary: 'One endpoint.',
      returns: 'Endpoint',
      parameters: [tech, inPath('resource', 'Its id.')],
      run: (request) => {
        const id = request.path('resource')
        const known = request.path('tech').toUpperCase() === 'PJSIP' && ids.includes(id)
        return known ? ok(machine.endpointJson(id)) : failure(404, 'Endpoint not found')
      },
    },
  ]
}

function mailboxOperations({ states }: Machine): Operation[] {
  const resource = 'mailboxes'
  const mailboxName = inPath('mailboxName', 'The name of the mailbox: 100@default.')
  const json = (name: string, counts: { newMessages: number; oldMessages: number }): unknown => ({
    name,
    old_messages: counts.oldMessages,
    new_messages: counts.newMessages,
  })
  const number = (text: string): number => (/^-?[0-9]{1,9}$/.test(text) ? Number(text) : 0)
  return [
    {
      resource,
      method: 'GET',
      path: '/mailboxes',
      nickname: 'list',
      summary: 'All mailboxes.',
      returns: 'List[Mailbox]',
      parameters: [],
      run: () => ok(states.listCounts().map(([name, counts]) => json(name, counts))),
    },
    {
      resource,
      method: 'GET',
      path: '/mailboxes/{mailboxName}',
      nickname: 'get',
      summary: 'One mailbox.',
      returns: 'Mailbox',
      parameters: [mailboxName],
      run: (request) => {
        const name = request.path('mailboxName')
        const counts = states.counts(name)
        return counts ? ok(json(name, counts)) : failure(404, 'Mailbox is does not exist')
      },
    },
    {
      resource,
      method: 'PUT',
      path: '/mailboxes/{mailboxName}',
      nickname: 'update',
      summary: 'Sets the counts of a mailbox.',
      returns: 'void',
      parameters: [
        mailboxName,
        inQuery('oldMessages', 'Messages that were heard.', { required: true, type: 'int' }),
        inQuery('newMessages', 'Messages that were not.', { required: true, type: 'int' }),
      ],
      run: (request) => {
        states.setCounts(request.path('mailboxName'), {
          newMessages: number(request.text('newMessages')),
          oldMessages: number(request.text('oldMessages')),
        })
        return noContent
      },
    },
    {
      resource,
      method: 'DELETE',
      path: '/mailboxes/{mailboxName}',
      nickname: 'delete',
      summary: 'Forgets a mailbox.',
      returns: 'void',
      parameters: [mailboxName],
      run: (request) => {
        const name = request.path('mailboxName')
        if (!states.counts(name)) return failure(404, 'Mailbox does not exist')
        states.setCounts(name, undefined)
        return noContent
      },
    },
  ]
}
