/** /asterisk: information, modules, global variables and the dynamic configuration. */
import { ariTime } from './channel.ts'
import { ENTITY_ID, type Machine, SYSTEM_NAME } from './machine.ts'
import { moduleJson, moduleNames } from './modules.ts'
import { inBody, inPath, inQuery, type Operation } from './operation.ts'
import { type Answer, type AriRequest, failure, noContent, ok } from './request.ts'
import { isSorceryType, sorceryAttributes } from './sorcery.ts'

const resource = 'asterisk'

export function asteriskOperations(machine: Machine): Operation[] {
  const { settings } = machine
  const objectPath = [
    inPath('configClass', 'The configuration class, such as res_pjsip.'),
    inPath('objectType', 'The type of the object.'),
    inPath('id', 'Its id.'),
  ]
  return [
    {
      resource,
      method: 'GET',
      path: '/asterisk/info',
      nickname: 'getInfo',
      summary: 'What this server is.',
      returns: 'AsteriskInfo',
      parameters: [inQuery('only', 'Parts that are wanted: build, system, config, status.')],
      run: (request) => ok(info(machine, request.list('only'))),
    },
    {
      resource,
      method: 'GET',
      path: '/asterisk/ping',
      nickname: 'ping',
      summary: 'Answers.',
      returns: 'AsteriskPing',
      parameters: [],
      run: () => ok({ ping: 'pong', timestamp: ariTime(new Date()), asterisk_id: ENTITY_ID }),
    },
    {
      resource,
      method: 'GET',
      path: '/asterisk/modules',
      nickname: 'listModules',
      summary: 'The modules that are loaded.',
      returns: 'List[Module]',
      parameters: [],
      run: () => ok(moduleNames(settings).map(moduleJson)),
    },
    {
      resource,
      method: 'GET',
      path: '/asterisk/modules/{moduleName}',
      nickname: 'getModule',
      summary: 'One module.',
      returns: 'Module',
      parameters: [inPath('moduleName', 'Its name, with .so.')],
      run: (request) => {
        const name = request.path('moduleName')
        if (!machine.loaded(name)) return failure(404, 'Module could not be found in running modules')
        return ok(moduleJson(name))
      },
    },
    {
      resource,
      method: 'GET',
      path: '/asterisk/variable',
      nickname: 'getGlobalVar',
      summary: 'A global variable. Functions are not evaluated.',
      returns: 'Variable',
      parameters: [inQuery('variable', 'Its name.', { required: true })],
      run: (request) => {
        const name = request.text('variable')
        if (name === '') return failure(400, 'Variable name is required')
        return ok({ value: globalVariable(machine, name) })
      },
    },
    {
      resource,
      method: 'POST',
      path: '/asterisk/variable',
      nickname: 'setGlobalVar',
      summary: 'Sets a global variable.',
      returns: 'void',
      parameters: [inQuery('variable', 'Its name.', { required: true }), inQuery('value', 'Its value.')],
      run: (request) => {
        const name = request.text('variable')
        if (name === '') return failure(400, 'Variable name is required')
        machine.globals.set(name, request.text('value'))
        return noContent
      },
    },
    {
      resource,
      method: 'GET',
      path: '/asterisk/config/dynamic/{configClass}/{objectType}/{id}',
      nickname: 'getObject',
      summary: 'The attributes of one object of the dynamic configuration.',
      returns: 'List[ConfigTuple]',
      parameters: objectPath,
      run: (request) => configObject(machine, request),
    },
    {
      resource,
      method: 'PUT',
      path: '/asterisk/config/dynamic/{configClass}/{objectType}/{id}',
      nickname: 'updateObject',
      summary: 'Creates or changes an object; those of files cannot be changed.',
      returns: 'List[ConfigTuple]',
      parameters: [...objectPath, inBody('fields', 'containers', 'The attributes.')],
      run: (request) => {
        const type = request.path('objectType')
        const known = sorceryAttributes(settings.data, type, request.path('id')) !== undefined
        return failure(403, `Cannot ${known ? 'update' : 'create'} sorcery objects of type '${type}'`)
      },
    },
  ]
}

function configObject({ settings }: Machine, request: AriRequest): Answer {
  const [configClass, type, id] = [request.path('configClass'), request.path('objectType'), request.path('id')]
  if (configClass !== 'res_pjsip') return failure(404, `configClass '${configClass}' not found`)
  if (!isSorceryType(type)) return failure(404, `objectType '${type}' not found`)
  const attributes = sorceryAttributes(settings.data, type, id)
  if (!attributes) return failure(404, `Object with id '${id}' not found`)
  return ok([...attributes].map(([attribute, value]) => ({ attribute, value })))
}

/** Only built-in and plain variables: this never evaluates a function, and an unknown name is empty. */
function globalVariable({ globals }: Machine, name: string): string {
  switch (name) {
    case 'SYSTEMNAME':
      return SYSTEM_NAME
    case 'ENTITYID':
      return ENTITY_ID
    case 'EPOCH':
      return String(Math.floor(Date.now() / 1000))
    default:
      return globals.get(name) ?? ''
  }
}

function info({ settings, startupTime }: Machine, only: readonly string[]): Record<string, unknown> {
  const started = ariTime(startupTime)
  const all: Record<string, unknown> = {
    build: {
      os: 'Linux',
      kernel: '6.1.0',
      machine: 'x86_64',
      options: 'OPTIONAL_API',
      date: '2026-01-01 00:00:00 UTC',
      user: 'demo',
    },
    system: { version: settings.version, entity_id: ENTITY_ID },
    config: { name: SYSTEM_NAME, default_language: 'en', setid: { user: 'asterisk', group: 'asterisk' } },
    status: { startup_time: started, last_reload_time: started },
  }
  const wanted = only.filter((part) => part !== '')
  return wanted.length === 0 ? all : Object.fromEntries(Object.entries(all).filter(([part]) => wanted.includes(part)))
}
