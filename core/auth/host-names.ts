/**
 * Where host names of identify sections lead. What one of the questions has been answered holds until it is answered anew:
 * name servers that are silent about the second proxy of a name have not taken it back.
 */
import { lookup } from 'node:dns/promises'
import { dropOldest } from '../oldest.ts'
import { isNone } from '../sip/search.ts'
import { systemNames } from '../sip/system-names.ts'

/** Addresses of a host name. Rejects where there are none, or nobody answers. */
export type Resolve = (host: string, srv: boolean) => Promise<readonly string[]>

/** Both reject where there is no answer; with the code ENOTFOUND or ENODATA that is the answer. */
export interface HostQuestions {
  srv(name: string): Promise<readonly { readonly name: string }[]>
  addresses(host: string): Promise<readonly string[]>
}

const SERVICES: readonly string[] = ['_sip._udp.', '_sip._tcp.', '_sips._tcp.']
/** Answers that are kept; targets of SRV records may be others each time. */
const MOST_KEPT = 2000

/** The targets of `_sip._udp`, `_sip._tcp` and `_sips._tcp` where there are any, and the name itself. */
export function hostResolver(questions: HostQuestions = systemQuestions()): Resolve {
  const targets = new Answers(async (name) => (await questions.srv(name)).map((record) => record.name))
  const addresses = new Answers((host) => questions.addresses(host))
  return async (host, srv) => {
    const services = srv ? SERVICES.map((service) => service + host) : []
    const found = await Promise.all(services.map((service) => targets.of(service)))
    const hosts = new Set([host, ...found.flatMap(({ values }) => values)])
    const answers = await Promise.all([...hosts].map((each) => addresses.of(each)))
    if (!answers.some(({ values, isKept }) => values.length > 0 && !isKept)) throw new Error('no address')
    return [...new Set(answers.flatMap(({ values }) => values))]
  }
}

interface Answered {
  readonly values: readonly string[]
  /** Of an earlier time, as nobody has answered now. */
  readonly isKept: boolean
}

class Answers {
  readonly #ask: (name: string) => Promise<readonly string[]>
  readonly #kept = new Map<string, readonly string[]>()

  constructor(ask: (name: string) => Promise<readonly string[]>) {
    this.#ask = ask
  }

  async of(name: string): Promise<Answered> {
    try {
      return this.#answered(name, await this.#ask(name))
    } catch (error) {
      if (isNone(error)) return this.#answered(name, [])
      return { values: this.#kept.get(name) ?? [], isKept: true }
    }
  }

  #answered(name: string, values: readonly string[]): Answered {
    this.#kept.delete(name)
    if (values.length > 0) this.#kept.set(name, values)
    dropOldest(this.#kept, MOST_KEPT)
    return { values, isKept: false }
  }
}

/** The system's resolver, for SRV records the one that follows the name servers of this machine. */
function systemQuestions(): HostQuestions {
  const names = systemNames()
  return {
    srv: (name) => names.srv(name),
    addresses: async (host) => (await lookup(host, { all: true })).map(({ address }) => address),
  }
}
