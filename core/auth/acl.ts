/**
 * Access control lists, as Asterisk reads them: deny and permit in the order in which they are written, the last line
 * that matches an address decides, and an address that no line matches is permitted. Several lists must all permit it.
 */
import type { Acl, Endpoint, PjsipConfig } from '../endpoints.ts'
import { splitCommas } from '../options.ts'
import { type IpAddress, inNetwork, type Network, readNetwork } from './networks.ts'

export interface AclRule {
  readonly allow: boolean
  readonly network: Network
  /** The place of its line in the section. */
  readonly position: number
}

/** The rules of all `deny` (or all `permit`) lines of a section. `!` in front of an address turns its meaning round. */
export function readAclRules(allow: boolean, texts: readonly string[], positions: readonly number[]): AclRule[] {
  return texts.flatMap((text, line) =>
    splitCommas(text).map((item) => ({
      allow: item.startsWith('!') ? !allow : allow,
      network: readNetwork(item.replace('!', '')),
      position: positions[line] ?? line,
    })),
  )
}

export function permits(rules: readonly AclRule[], address: IpAddress): boolean {
  return rules.findLast((rule) => inNetwork(address, rule.network))?.allow ?? true
}

/** `source`: where requests come from. `contact`: where a Contact points to. */
export type AclUse = 'source' | 'contact'

/** Why this address is forbidden to everybody, by a `type=acl` section or an ACL it names; undefined where it is not. */
export function forbiddenByAll(config: PjsipConfig, use: AclUse, address: IpAddress): string | undefined {
  for (const acl of config.acls.values()) {
    const why = forbiddenBy(acl, config, use, address)
    if (why !== undefined) return why
  }
  return undefined
}

/** Whether there is anything that could forbid an address to the endpoint. */
export function hasAcl(endpoint: Endpoint): boolean {
  const { source, contact } = rulesOf(endpoint)
  return source.length + contact.length + endpoint.acl.length + endpoint.contact_acl.length > 0
}

/** Whether there is anything that could forbid a Contact, to everybody or to the endpoint. */
export function looksAtContacts(endpoint: Endpoint, { acls }: PjsipConfig): boolean {
  if (hasContactRules(endpoint)) return true
  for (const acl of acls.values()) if (hasContactRules(acl)) return true
  return false
}

function hasContactRules(owner: Endpoint | Acl): boolean {
  return rulesOf(owner).contact.length + owner.contact_acl.length > 0
}

/** Why this address is forbidden; undefined where it is not. An ACL that nobody wrote forbids everything. */
export function forbiddenBy(
  owner: Endpoint | Acl,
  config: PjsipConfig,
  use: AclUse,
  address: IpAddress,
): string | undefined {
  if (!permits(rulesOf(owner)[use], address)) return `deny lines of [${owner.id}]`
  for (const name of use === 'source' ? owner.acl : owner.contact_acl) {
    const named = config.namedAcls?.get(name)
    const section = config.acls.get(name)
    // A list in acl.conf has one set of rules, whatever it is used for.
    const rules = named ? rulesOf(named).source : section && rulesOf(section)[use]
    if (!rules)
      return name === UNTOLD
        ? WHY_UNTOLD
        : `ACL '${name}' of [${owner.id}], which is neither in pjsip.conf nor in acl.conf`
    if (!permits(rules, address)) return `ACL '${name}' of [${owner.id}]`
  }
  return undefined
}

/** What Asterisk's dynamic configuration says of an endpoint with lines of its own. */
const UNTOLD = 'deny/permit'
const WHY_UNTOLD =
  'deny and permit lines that Asterisk does not tell over ARI; give Lamplighter the files (asterisk_config in lamplighter.conf), or the endpoint in its own pjsip.conf'

/** Sections never change in place, so that the two kinds of lines are put in order once for each. */
const ordered = new WeakMap<Endpoint | Acl, Record<AclUse, readonly AclRule[]>>()

function rulesOf(owner: Endpoint | Acl): Record<AclUse, readonly AclRule[]> {
  let rules = ordered.get(owner)
  if (!rules) {
    rules = {
      source: inOrder(owner.deny, owner.permit),
      contact: inOrder(owner.contact_deny, owner.contact_permit),
    }
    ordered.set(owner, rules)
  }
  return rules
}

function inOrder(deny: readonly AclRule[], permit: readonly AclRule[]): readonly AclRule[] {
  return [...deny, ...permit].sort((a, b) => a.position - b.position)
}
