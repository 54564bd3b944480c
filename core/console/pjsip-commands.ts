/** The console commands about pjsip objects: `pjsip show endpoints`, `pjsip show contacts` … Secrets are never shown. */
import type { AclRule } from '../auth/acl.ts'
import { usernameOf } from '../auth/credentials.ts'
import type { Aor, Auth, Endpoint, Endpoints, ObjectType } from '../endpoints.ts'
import type { Eventual } from '../eventual.ts'
import type { OptionSet } from '../options.ts'
import { aorOptions, authOptions, endpointOptions, globalOptions, systemOptions } from '../pjsip-options.ts'
import type { Binding } from '../registrar/bindings.ts'
import type { Contact } from '../registrar/registrar.ts'
import type { Registrar } from '../registrar/registrations.ts'
import type { Undo } from '../scope.ts'
import {
  CommandError,
  type Console,
  type ConsoleCommand,
  type ConsoleOutput,
  likeFilter,
  printTable,
} from './console.ts'

export interface PjsipCommandSettings {
  readonly console: Console
  readonly endpoints: Endpoints
  readonly registrar: Registrar
}

export function registerPjsipCommands(settings: PjsipCommandSettings): Undo {
  const shown = [
    ...endpointCommands(settings),
    ...authCommands(settings),
    ...contactCommands(settings),
    ...settingsCommands(settings),
  ]
  return settings.console.register(...shown, ...listCommands(shown))
}

/** Asterisk's `list` is a line for each, which is what `show` has here. */
function listCommands(shown: readonly ConsoleCommand[]): ConsoleCommand[] {
  return shown
    .filter(({ words, args }) => words.startsWith('pjsip show ') && args === LIKE)
    .map((command) => ({
      ...command,
      words: command.words.replace('show', 'list'),
      help: `The same as ${command.words}.`,
    }))
}

const LIKE = '[like <regular expression>]'

function endpointCommands({ endpoints, registrar }: PjsipCommandSettings): ConsoleCommand[] {
  const ids = (): string[] => [...endpoints.files.endpoints.keys()]
  return [
    {
      words: 'pjsip show endpoints',
      args: LIKE,
      help: 'Shows the endpoints in the files.',
      run: (args, out) =>
        table(
          out,
          ['Endpoint', 'Context', 'Auth', 'AORs', 'Identified by', 'Subscribes'],
          inOrder(endpoints.files.endpoints, args).map((endpoint) => [
            endpoint.id,
            endpoint.hintContext,
            endpoint.auth.join(',') || '(not challenged)',
            endpoint.aors.join(','),
            endpoint.identify_by.join(','),
            endpoint.allow_subscribe ? 'yes' : 'no',
          ]),
          'endpoints',
        ),
    },
    {
      words: 'pjsip show endpoint',
      args: '<endpoint>',
      help: 'Shows one endpoint with all its options, from the files or from an Asterisk.',
      complete: (place) => (place === 0 ? ids() : []),
      run: async ([id], out) =>
        showEndpoint(await existing(endpoints, 'endpoint', id, (name) => endpoints.endpoint(name)), out),
    },
    {
      words: 'pjsip show aors',
      args: LIKE,
      help: 'Shows the AORs in the files.',
      run: (args, out) =>
        table(
          out,
          ['AOR', 'MaxContacts', 'Contacts', 'Mailboxes'],
          inOrder(endpoints.files.aors, args).map((aor) => [
            aor.id,
            String(aor.max_contacts),
            String(contactsOf(registrar, aor).length),
            aor.mailboxes.join(','),
          ]),
          'AORs',
        ),
    },
    {
      words: 'pjsip show aor',
      args: '<aor>',
      help: 'Shows one AOR with its options and contacts, from the files or from an Asterisk.',
      complete: (place) => (place === 0 ? [...endpoints.files.aors.keys()] : []),
      run: async ([id], out) => {
        const aor = await existing(endpoints, 'aor', id, (name) => endpoints.aor(name))
        showOptions(out, aorOptions, aor)
        showContacts(out, contactsOf(registrar, aor))
      },
    },
  ]
}

function authCommands({ endpoints }: PjsipCommandSettings): ConsoleCommand[] {
  return [
    {
      words: 'pjsip show auths',
      args: LIKE,
      help: 'Shows the auth sections in the files, without their secrets.',
      run: (args, out) =>
        table(
          out,
          ['Auth', 'Type', 'User name', 'Realm', 'Nonce lifetime'],
          inOrder(endpoints.files.auths, args).map((auth) => [
            auth.id,
            auth.auth_type,
            usernameOf(auth),
            auth.realm || endpoints.global.default_realm,
            `${auth.nonce_lifetime} s`,
          ]),
          'auths',
        ),
    },
    {
      words: 'pjsip show auth',
      args: '<auth>',
      help: 'Shows one auth section, without its secrets.',
      complete: (place) => (place === 0 ? [...endpoints.files.auths.keys()] : []),
      run: async ([id], out) =>
        showOptions(out, authOptions, await existing<Auth>(endpoints, 'auth', id, (name) => endpoints.auth(name))),
    },
    {
      words: 'pjsip show identifies',
      args: LIKE,
      help: 'Shows which addresses and headers belong to which endpoint.',
      run: (args, out) => {
        const like = likeFilter(args)
        table(
          out,
          ['Identify', 'Endpoint', 'Match', 'Header'],
          endpoints.files.identifies
            .filter(({ id }) => like(id))
            .map(({ id, endpoint, match, match_header }) => [id, endpoint, match.join(','), match_header]),
          'identifies',
        )
      },
    },
    {
      words: 'pjsip show acls',
      args: LIKE,
      help: 'Shows the access lists in the order in which their lines hold.',
      run: (args, out) => {
        const files = endpoints.files
        const lists = [...inOrder(files.acls, args), ...inOrder(files.namedAcls ?? new Map(), args)]
        table(
          out,
          ['ACL', 'Requests from', 'Contacts at', 'And as well'],
          lists.map((acl) => [
            acl.id,
            rulesText([...acl.deny, ...acl.permit]),
            rulesText([...acl.contact_deny, ...acl.contact_permit]),
            acl.acl.join(','),
          ]),
          'ACLs',
        )
      },
    },
  ]
}

function contactCommands({ endpoints, registrar }: PjsipCommandSettings): ConsoleCommand[] {
  return [
    {
      words: 'pjsip show contacts',
      args: LIKE,
      help: 'Shows the registered and the permanent contacts.',
      run: (args, out) => {
        const like = likeFilter(args)
        const permanent = inOrder(endpoints.files.aors, []).flatMap((aor) => registrar.permanent(aor))
        showContacts(
          out,
          [...permanent, ...registrar.list()].filter(({ aor, uri }) => like(`${aor}/${uri}`)),
        )
      },
    },
  ]
}

function settingsCommands({ endpoints }: PjsipCommandSettings): ConsoleCommand[] {
  return [
    {
      words: 'pjsip show settings',
      help: 'Shows the options of [global] and [system].',
      run: (_args, out) => {
        out.print('global')
        showOptions(out, globalOptions, endpoints.global)
        out.print('system')
        showOptions(out, systemOptions, endpoints.system)
      },
    },
  ]
}

function contactsOf(registrar: Registrar, aor: Aor): (Contact | Binding)[] {
  return [...registrar.permanent(aor), ...registrar.list().filter((binding) => binding.aor === aor.id)]
}

function showContacts(out: ConsoleOutput, contacts: readonly (Contact | Binding)[]): void {
  table(
    out,
    ['AOR', 'Contact', 'Expires in', 'From', 'User agent'],
    contacts.map((contact) => [
      contact.aor,
      contact.uri,
      Number.isFinite(contact.expires)
        ? `${Math.max(0, Math.round((contact.expires - Date.now()) / 1000))} s`
        : 'permanent',
      'source' in contact ? `${contact.protocol} ${contact.source}` : '',
      contact.userAgent,
    ]),
    'contacts',
  )
}

function showEndpoint(endpoint: Endpoint, out: ConsoleOutput): void {
  out.print(`endpoint ${endpoint.id}, hints in context ${endpoint.hintContext}`)
  showOptions(out, endpointOptions, endpoint)
}

function showOptions(out: ConsoleOutput, set: OptionSet, values: object): void {
  const found = new Map<string, unknown>(Object.entries(values))
  for (const name of Object.keys(set).sort()) {
    const value = found.get(name)
    const isSet = Array.isArray(value) ? value.length > 0 : value !== ''
    out.print(` ${name.padEnd(36)}: ${set[name]?.secret ? (isSet ? '(set)' : '') : optionText(value)}`)
  }
}

function optionText(value: unknown): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (!Array.isArray(value)) return String(value)
  return value.map((item: unknown) => (isRule(item) ? item.network.text : String(item))).join(',')
}

function isRule(value: unknown): value is AclRule {
  return typeof value === 'object' && value !== null && 'network' in value
}

function rulesText(rules: readonly AclRule[]): string {
  return [...rules]
    .sort((a, b) => a.position - b.position)
    .map(({ allow, network }) => `${allow ? 'permit' : 'deny'} ${network.text}`)
    .join(', ')
}

async function existing<T>(
  endpoints: Endpoints,
  type: ObjectType,
  id: string | undefined,
  find: (id: string) => Eventual<T | undefined>,
): Promise<T> {
  const what = type === 'aor' ? 'AOR' : type
  if (id === undefined) throw new CommandError(`expected the name of an ${what}`)
  const found = await find(id)
  if (found !== undefined) return found
  throw new CommandError(
    endpoints.mayExist(type, id)
      ? `no file has an ${what} '${id}', and an Asterisk that may have it could not be asked: 'ari show servers' says why`
      : `there is no ${what} '${id}'`,
  )
}

function inOrder<T extends { readonly id: string }>(items: ReadonlyMap<string, T>, args: readonly string[]): T[] {
  const like = likeFilter(args)
  return [...items.values()].filter(({ id }) => like(id)).sort((a, b) => (a.id < b.id ? -1 : 1))
}

function table(out: ConsoleOutput, heads: readonly string[], rows: readonly (readonly string[])[], what: string): void {
  printTable(out, [heads, ...rows])
  out.print(`${rows.length} ${what}`)
}
