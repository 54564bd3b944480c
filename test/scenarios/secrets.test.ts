import { expect } from 'chai'
import { type ConsoleClient, connectConsole } from '../../core/console/server.ts'
import { Instance, run } from '../support/instance.ts'
import { TestPhone } from '../support/phone.ts'
import { until } from '../support/tools.ts'

/** Each stands in one place of the configuration, and nowhere in what is printed. */
const SECRETS = {
  ari: 'ari-hunter2',
  phone: 'phone-hunter3',
  md5: 'd41d8cd98f00b204e9800998ecf8427e',
  digest: '0123456789abcdef0123456789abcdeffedcba98765432100123456789abcdef',
  pin: '48151623',
  url: 'url-hunter4',
}

const FILES = {
  'lamplighter.conf': `[console]
level = debug
logfile = log
[pbx1]
type = server
url = http://127.0.0.1:9
username = lamp
password = ${SECRETS.ari}
`,
  'pjsip.conf': `[udp]
type = transport
bind = 127.0.0.1:0
[global]
type = global
debug = yes
[100](!)
type = endpoint
context = office
[one](100)
auth = one
[one]
type = auth
password = ${SECRETS.phone}
[two](100)
auth = two
[two]
type = auth
auth_type = md5
md5_cred = ${SECRETS.md5}
[three](100)
auth = three
[three]
type = auth
auth_type = digest
password_digest = SHA-256:${SECRETS.digest}
supported_algorithms_uas = SHA-256
`,
  'extensions.conf': '[office]\nexten => 200,hint,Custom:door\n',
  'voicemail.conf': `[default]\n100 => ${SECRETS.pin},Alice,alice@example.com\n`,
}

describe('secrets', function () {
  this.timeout(60_000)
  let instance: Instance
  before(() => {
    instance = new Instance(FILES)
  })
  after(() => instance?.dispose())

  const expectNone = (what: string, said: string): void => {
    for (const [name, secret] of Object.entries(SECRETS))
      expect(said.includes(secret), `${what} shows the secret of ${name}`).to.equal(false)
  }

  it('are in no log, no SIP trace, and no answer of a console command', async () => {
    await instance.start()
    const { host, port } = instance.address()
    const phones = [SECRETS.phone, 'a wrong guess'].map((password) =>
      TestPhone.open({ server: { address: host, port }, user: 'one', password }),
    )
    const answers: number[] = []
    for (const opening of phones) {
      const phone = await opening
      const headers = [
        ['Event', 'presence'],
        ['Expires', '600'],
      ] as const
      const answer = await phone.request('SUBSCRIBE', { dialog: phone.dialog(`sip:200@${host}:${port}`), headers })
      answers.push(answer.status)
      await phone.close()
    }
    expect(answers).to.deep.equal([200, 401])

    const client = await connectConsole(`${instance.directory}/lamplighter.ctl`)
    try {
      const said = await everythingShown(client)
      for (const part of ['one', 'pbx1', '100@default', '200@office', 'compat: rfc']) expect(said).to.contain(part)
      expectNone('the console', said)
    } finally {
      client.close()
    }
    await until('trace of an Authorization header', () => /Authorization: Digest/.test(instance.stderr))
    expectNone('the log', instance.stderr + instance.stdout)
  })

  it('are in no fault that is found in the lines where they stand', async () => {
    instance.write({
      'lamplighter.conf': `[pbx1]
type = server
url = http://lamp:${SECRETS.url}@127.0.0.1
username = lamp
password ${SECRETS.ari}
pasword = ${SECRETS.ari}
`,
      'pjsip.conf': `[one]
type = auth
auth_type = md5
md5_cred = ${SECRETS.md5}ff
password_digest = ${SECRETS.digest}
pasword = ${SECRETS.phone}
password ${SECRETS.phone}
`,
      'voicemail.conf': `[default]\n100 ${SECRETS.pin},Alice\n1 00 => ${SECRETS.pin},Alice\n`,
    })
    const { code, stderr } = await run('-C', instance.directory, '--check')
    expect(code).to.equal(1)
    expect(stderr.trimEnd().split('\n').length, stderr).to.be.above(6)
    expectNone('--check', stderr)
  })
})

/** What every command says that shows or lists something, with each candidate where it wants to know which. */
async function everythingShown(client: ConsoleClient): Promise<string> {
  const said: string[] = []
  const ask = async (line: string): Promise<void> => {
    const failure = await client.run(line, (text) => said.push(text))
    if (failure !== undefined) said.push(failure)
  }
  await ask('core show help')
  const commands = said
    .join('\n')
    .split('\n')
    .map((line) => /^(\S[^<[{]*?(?: show | list)[^<[{]*?)(?: {2,}| ([<[{]).*$|$)/.exec(line))
    .flatMap((match) => (match?.[1] === undefined ? [] : [{ words: match[1].trim(), wants: match[2] === '<' }]))
  expect(commands.length).to.be.above(15)
  for (const { words, wants } of commands) {
    if (!wants) await ask(words)
    else for (const candidate of await client.complete(`${words} `)) await ask(`${words} ${candidate}`)
  }
  return said.join('\n')
}
