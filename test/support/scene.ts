/** A Lamplighter process, its console, and phones that watch through it: what the scenario tests of reloads play on. */
import { expect } from 'chai'
import { type ConsoleClient, connectConsole } from '../../core/console/server.ts'
import { Instance } from './instance.ts'
import { PASSWORD } from './office.ts'
import { TestPhone, type WireMessage } from './phone.ts'
import { until } from './tools.ts'

interface Wish {
  readonly expires?: number
  readonly accept?: string
}

export class Scene {
  readonly instance: Instance
  readonly client: ConsoleClient
  readonly #phones: TestPhone[] = []

  static async open(files: Readonly<Record<string, string>>): Promise<Scene> {
    const instance = new Instance(files)
    try {
      await instance.start()
      return new Scene(instance, await connectConsole(`${instance.directory}/lamplighter.ctl`))
    } catch (error) {
      await instance.dispose()
      throw error
    }
  }

  private constructor(instance: Instance, client: ConsoleClient) {
    this.instance = instance
    this.client = client
  }

  async close(): Promise<void> {
    this.client.close()
    for (const phone of this.#phones) await phone.close()
    await this.instance.dispose()
  }

  async phone(user: string): Promise<TestPhone> {
    const { host, port } = this.instance.address()
    const phone = await TestPhone.open({ server: { address: host, port }, user, password: PASSWORD })
    this.#phones.push(phone)
    return phone
  }

  subscribe(phone: TestPhone, exten: string, event: string, { expires = 600, accept }: Wish = {}) {
    const { host, port } = this.instance.address()
    const headers: [string, string][] = [
      ['Event', event],
      ['Expires', String(expires)],
    ]
    if (accept !== undefined) headers.push(['Accept', accept])
    return phone.request('SUBSCRIBE', { dialog: phone.dialog(`sip:${exten}@${host}:${port}`), headers })
  }

  /** Subscribes, and takes the first NOTIFY. */
  async watching(user: string, exten: string, event: string): Promise<[TestPhone, WireMessage]> {
    const phone = await this.phone(user)
    expect((await this.subscribe(phone, exten, event)).status).to.equal(200)
    return [phone, await phone.next('NOTIFY')]
  }

  /** A console command that succeeds. */
  async command(line: string): Promise<string> {
    const said: string[] = []
    expect(await this.client.run(line, (text) => said.push(text)), line).to.equal(undefined)
    return said.join('\n')
  }

  /** Writes files, sends SIGHUP, and waits for the log to say how that went. Resolves with what was logged. */
  async reload(files: Readonly<Record<string, string>>, how = 'configuration reloaded'): Promise<string> {
    const { instance } = this
    const before = instance.stderr.length
    instance.write(files)
    instance.signal('SIGHUP')
    const logged = (): string => instance.stderr.slice(before)
    await until(`'${how}' in the log`, () => logged().includes(how)).catch((error: unknown) => {
      throw new Error(`${String(error)}:\n${logged()}`)
    })
    return logged().replaceAll(`${instance.directory}/`, '')
  }
}

/** It is the NOTIFY after that one in the same dialog, with nothing between, and says this. */
export function expectNext(before: WireMessage, now: WireMessage, says: RegExp): void {
  expect(now.header('call-id')).to.equal(before.header('call-id'))
  expect(now.header('subscription-state')).to.match(/^active/)
  expect(now.body).to.match(says)
  expect(now.cseq).to.equal(before.cseq + 1)
}
