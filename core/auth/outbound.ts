/** Credentials for requests of ours that are challenged: the sections that an endpoint's `outbound_auth` names. */
import type { Auth, Endpoints } from '../endpoints.ts'
import { allThere, whenThere } from '../eventual.ts'
import type { Challenged, CredentialsFor, HeaderLine } from '../sip/contract.ts'
import { usernameOf } from './credentials.ts'
import { answerChallenge, parseDigest } from './digest.ts'

/** More challenges than this in one answer are not looked at. */
const MAX_CHALLENGES = 8

/** `unanswered` is told of realms that no section is for. */
export function outboundCredentials(
  endpoints: Endpoints,
  sections: readonly string[],
  unanswered: (realms: readonly string[]) => void,
): CredentialsFor {
  return (challenged) => {
    const auths = allThere(sections.map((id) => endpoints.auth(id)))
    return whenThere(auths, (found) => {
      const lines = credentialLines(
        challenged,
        found.filter((auth) => auth !== undefined),
      )
      if (lines.length === 0) unanswered(realmsOf(challenged))
      return lines
    })
  }
}

/** One line for each realm that one of the sections is for. */
export function credentialLines(challenged: Challenged, auths: readonly Auth[]): readonly HeaderLine[] {
  const { method, requestUri, response, count } = challenged
  const name = response.status === 407 ? 'Proxy-Authorization' : 'Authorization'
  const challenges = challengesOf(challenged)
  return realmsOf(challenged).flatMap((realm): HeaderLine[] => {
    const auth = sectionFor(realm, auths)
    if (!auth) return []
    const ofRealm = challenges.filter((text) => parseDigest(text)?.get('realm') === realm)
    const credentials = { ...auth, username: usernameOf(auth) }
    const value = answerChallenge({ method, requestUri, challenges: ofRealm, count }, credentials)
    return value === undefined ? [] : [[name, value]]
  })
}

/**
 * As in Asterisk: the section that names the realm, else one with an empty realm or `*`, which stands for any. What is
 * stored as a hash holds for one realm and would answer any other's challenge with proof for that one, so such a
 * section has to name it.
 */
function sectionFor(realm: string, auths: readonly Auth[]): Auth | undefined {
  const forAny = ({ auth_type, password, md5_cred, password_digest, realm: own }: Auth): boolean =>
    (own === '' || own === '*') &&
    password !== '' &&
    (auth_type === 'userpass' || (md5_cred === '' && password_digest.length === 0))
  return auths.find((auth) => auth.realm === realm) ?? auths.find(forAny)
}

function challengesOf({ response }: Challenged): readonly string[] {
  return response.headers(response.status === 407 ? 'Proxy-Authenticate' : 'WWW-Authenticate').slice(0, MAX_CHALLENGES)
}

function realmsOf(challenged: Challenged): readonly string[] {
  return [...new Set(challengesOf(challenged).map((text) => parseDigest(text)?.get('realm') ?? ''))]
}
