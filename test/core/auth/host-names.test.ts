/** Where names of identify sections lead, while some questions about them are not answered. */
import { expect } from 'chai'
import { hostResolver } from '../../../core/auth/host-names.ts'

const NO_SUCH_NAME = Object.assign(new Error('no such name'), { code: 'ENOTFOUND' })
const NO_ANSWER = Object.assign(new Error('no answer'), { code: 'ESERVFAIL' })

describe('host names of identify sections', () => {
  const service = '_sip._udp.proxies.example'
  let records: Map<string, readonly string[] | Error>

  const ask = async (name: string): Promise<readonly string[]> => {
    const found = records.get(name) ?? NO_SUCH_NAME
    if (found instanceof Error) throw found
    return found
  }

  const resolver = (): ReturnType<typeof hostResolver> =>
    hostResolver({ srv: async (name) => (await ask(name)).map((target) => ({ name: target })), addresses: ask })

  beforeEach(() => {
    records = new Map([
      ['proxies.example', ['192.0.2.1']],
      [service, ['a.example', 'b.example']],
      ['a.example', ['192.0.2.1']],
      ['b.example', ['192.0.2.2']],
    ])
  })

  it('lead to their own addresses and to those of their SRV records, where these are wanted', async () => {
    const resolve = resolver()
    expect(await resolve('proxies.example', true)).to.deep.equal(['192.0.2.1', '192.0.2.2'])
    expect(await resolve('proxies.example', false)).to.deep.equal(['192.0.2.1'])
  })

  it('lead where they led before as far as nobody says where now', async () => {
    const resolve = resolver()
    await resolve('proxies.example', true)
    for (const silent of ['b.example', service, 'a.example']) {
      records.set(silent, NO_ANSWER)
      expect(await resolve('proxies.example', true), silent).to.deep.equal(['192.0.2.1', '192.0.2.2'])
    }
    records.set('b.example', ['192.0.2.3'])
    expect(await resolve('proxies.example', true)).to.deep.equal(['192.0.2.1', '192.0.2.3'])
    records.set(service, NO_SUCH_NAME)
    expect(await resolve('proxies.example', true), 'the records are gone').to.deep.equal(['192.0.2.1'])
  })

  it('lead nowhere where nothing is answered, or there is nothing', async () => {
    const resolve = resolver()
    await resolve('proxies.example', true)
    for (const name of records.keys()) records.set(name, NO_ANSWER)
    const failures: string[] = []
    const failed = (error: Error): void => void failures.push(error.message)
    await resolve('proxies.example', true).then(() => undefined, failed)
    await resolve('nobody.example', true).then(() => undefined, failed)
    expect(failures).to.deep.equal(['no address', 'no address'])
  })
})
