import { once } from 'node:events'
import { chmodSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { CommandError, Console, type ConsoleCommand, likeFilter, splitLine } from '../../../core/console/console.ts'
import { connectConsole, serveConsole } from '../../../core/console/server.ts'
import { Log, reasonOf } from '../../../core/log.ts'
import { asNobody, until } from '../../support/tools.ts'

describe('console', () => {
  let directory: string
  let path: string
  let close: (() => Promise<void>) | undefined
  const log = new Log()
  const commands = (): Console => {
    const made = new Console()
    made.register({ words: 'core show hints', help: 'All.', run: (_args, out) => out.print('all hints') })
    made.register({
      words: 'core show hint',
      args: '<extension>',
      help: 'One.',
      complete: () => ['100', '101', '200'],
      run: ([exten], out) => out.print(`hint ${exten}`),
    })
    made.register({
      words: 'fail',
      help: 'Fails.',
      run: () => {
        throw new Error('it broke')
      },
    })
    return made
  }

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'lamplighter-console-'))
    path = join(directory, 'ctl')
  })
  afterEach(async () => {
    await close?.()
    close = undefined
    rmSync(directory, { recursive: true })
  })

  it('splits lines as a shell does', () => {
    expect(splitLine(' a "b c" d\\ e "" ')).to.deep.equal(['a', 'b c', 'd e', ''])
  })

  it('knows the words of a command in whatever case they are typed, and shows them as they are', async () => {
    const made = commands()
    const printed: string[] = []
    const undo = made.register({
      words: 'presence refreshWatchers',
      help: 'All.',
      run: () => void printed.push('done'),
    })
    expect(() => made.register({ words: 'presence refreshwatchers', help: '', run: () => undefined })).to.throw('twice')
    await made.run('presence refreshwatchers', { print: () => undefined })
    await made.run('PRESENCE refreshWatchers', { print: () => undefined })
    expect(printed).to.deep.equal(['done', 'done'])
    expect(made.complete('presence refreshw')).to.deep.equal(['refreshWatchers'])
    expect(made.commands.map(({ words }) => words)).to.include('presence refreshWatchers')
    await undo()
    expect(made.complete('pres')).to.deep.equal([])
  })

  it('takes all of several commands or none', () => {
    const made = commands()
    const named = (words: string): ConsoleCommand => ({ words, help: '', run: () => undefined })
    expect(() => made.register(named('new one'), named('fail'))).to.throw("'fail' is registered twice")
    expect(() => made.register(named('new one'), named('New One'))).to.throw('twice')
    expect(made.commands.map(({ words }) => words)).to.deep.equal(['core show hint', 'core show hints', 'fail'])
    made.register(named('new one'))
  })

  it('runs the command with the most matching words, and completes words and arguments', async () => {
    const printed: string[] = []
    await commands().run('core show hint 100', { print: (text) => printed.push(text) })
    expect(printed).to.deep.equal(['hint 100'])
    expect(commands().complete('core sh')).to.deep.equal(['show'])
    expect(commands().complete('core show hint')).to.deep.equal(['hint', 'hints'])
    expect(commands().complete('core show hint 1')).to.deep.equal(['100', '101'])
    const made = commands()
    made.register({ words: 'mwi list', args: '[like <text>]', help: '', run: () => undefined })
    expect(made.complete('mwi list ')).to.deep.equal(['like'])
    expect(made.complete('mwi list like ')).to.deep.equal([])
  })

  it('refuses what it does not know and what is no regular expression', async () => {
    let refused: unknown
    await commands()
      .run('core shine', { print: () => undefined })
      .catch((error: unknown) => (refused = error))
    expect(refused).to.be.instanceOf(CommandError)
    expect(() => likeFilter(['like', '('])).to.throw(CommandError, /not a regular expression/)
  })

  it('answers over a socket that only its owner may open, and says when a command fails', async () => {
    close = await serveConsole(path, commands(), log)
    expect(statSync(path).mode & 0o777).to.equal(0o600)
    const client = await connectConsole(path)
    const printed: string[] = []
    expect(await client.run('core show hints', (text) => printed.push(text))).to.equal(undefined)
    expect(await client.run('fail', () => undefined)).to.equal("'fail' failed: it broke")
    expect(await client.complete('core show ')).to.deep.equal(['hint', 'hints'])
    expect(printed).to.deep.equal(['all hints'])
    client.close()
  })

  it('tells who may not open the socket from one that nobody answers on', async () => {
    close = await serveConsole(path, commands(), log)
    chmodSync(directory, 0o755)
    chmodSync(path, 0)
    const refused = await asNobody(() => connectConsole(path).catch(reasonOf))
    expect(refused).to.equal(
      `the console socket ${path} may not be opened (connect EACCES ${path}), only by root and the user of Lamplighter`,
    )
    expect(await connectConsole(`${path}-gone`).catch(reasonOf)).to.match(/^no Lamplighter answers on .* is it running/)
  })

  it('leaves files that are made meanwhile, as the log is, the permissions they have', async () => {
    const before = process.umask(0o022)
    try {
      const serving = serveConsole(path, commands(), log)
      const modes = new Set<number>()
      for (let turn = 0; turn < 20; turn++) {
        await Promise.resolve()
        const other = join(directory, `other-${turn}`)
        writeFileSync(other, '')
        modes.add(statSync(other).mode & 0o777)
      }
      close = await serving
      expect([...modes]).to.deep.equal([0o644])
      expect(statSync(path).mode & 0o777).to.equal(0o600)
    } finally {
      process.umask(before)
    }
  })

  const refusal = async (): Promise<string> => {
    try {
      await (await serveConsole(path, commands(), log))()
      return ''
    } catch (error) {
      return reasonOf(error)
    }
  }

  it('takes over the socket that a killed process left, and refuses where one is running', async () => {
    const killed = createServer().listen(`${path}.killed`)
    await once(killed, 'listening')
    renameSync(`${path}.killed`, path)
    killed.close()
    close = await serveConsole(path, commands(), log)
    expect(await refusal()).to.match(/another Lamplighter runs/)
  })

  it('removes nothing but a socket', async () => {
    writeFileSync(path, 'a file that somebody needs')
    expect(await refusal()).to.match(/ctl is there and is no socket; \[console\] socket in lamplighter.conf names/)
    expect(readFileSync(path, 'utf8')).to.equal('a file that somebody needs')
  })

  it('lets a command that comes during the start wait for its end', async () => {
    let opened: () => void = () => undefined
    const late = new Console()
    close = await serveConsole(path, late, log, new Promise<void>((resolve) => (opened = resolve)))
    const client = await connectConsole(path)
    const printed: string[] = []
    const done = client.run('late', (text) => printed.push(text))
    await client.complete('')
    expect(printed).to.deep.equal([])
    late.register({ words: 'late', help: 'Late.', run: (_args, out) => out.print('here now') })
    opened()
    expect(await done).to.equal(undefined)
    expect(printed).to.deep.equal(['here now'])
    client.close()
  })

  it('lets nothing that others chose move the cursor of a terminal', async () => {
    const made = commands()
    made.register({
      words: 'devstate list',
      help: 'All.',
      complete: () => ['Custom:\x1b[2J', 'Custom:door'],
      run: (_args, out) => {
        out.print('Custom:\x1b[2J\u009b2J\x7f\r\tINUSE\nCustom:door\u2028\u202e')
        throw new CommandError('Asterisk says \x1b[31m\u2029')
      },
    })
    close = await serveConsole(path, made, log)
    const client = await connectConsole(path)
    const printed: string[] = []
    expect(await client.run('devstate list', (text) => printed.push(text))).to.equal('Asterisk says ?[31m?')
    expect(printed).to.deep.equal(['Custom:?[2J?2J??\tINUSE\nCustom:door??'])
    expect(await client.complete('devstate list ')).to.deep.equal(['Custom:door'])
    client.close()
  })

  it('does not listen to who does not read until he does', async () => {
    const made = new Console()
    let runs = 0
    made.register({
      words: 'tell',
      help: 'Much.',
      run: (_args, out) => {
        runs++
        out.print('x'.repeat(100_000))
      },
    })
    close = await serveConsole(path, made, log)
    const socket = connect(path)
    await once(socket, 'connect')
    const questions = 600
    // With spaces, so that what one reading brings is a small part of them.
    for (let id = 0; id < questions; id++) socket.write(`${JSON.stringify({ id, run: 'tell' })}${' '.repeat(1000)}\n`)
    await until('some', () => runs > 10)
    let before = -1
    await until('rest', async () => {
      const isQuiet = runs === before
      before = runs
      await new Promise((resolve) => setTimeout(resolve, 100))
      return isQuiet
    })
    expect(runs).to.be.below(questions / 2)
    socket.resume()
    await until('all', () => runs === questions)
    socket.destroy()
  })

  it('passes the log on to those who follow it', async () => {
    close = await serveConsole(path, commands(), log)
    const client = await connectConsole(path)
    const line = new Promise<string>((resolve) => client.follow(resolve))
    // The server has seen `follow` once it answers what was sent after it.
    await client.complete('')
    log.logger('x').warning('the lamp\x1b[31m is\nred')
    expect(await line).to.match(/WARNING\[x\]: the lamp\\x1b\[31m is\\x0ared$/)
    client.close()
  })

  it('bears what is no question, and answers the next one', async () => {
    close = await serveConsole(path, commands(), log)
    const [said, socket] = await rawClient()
    for (const line of ['lamp', 'null', '[]', '{"run":5,"id":1}', '{"complete":{},"id":2}', '{"id":"x","follow":3}'])
      socket.write(`${line}\n`)
    socket.write('{"id":7,"complete":"core sh"}\n')
    await until('answer', () => said.text.includes('"id":7'))
    expect(said.text).to.contain('"candidates":["show"]')
    socket.destroy()
  })

  it('keeps no log for those who follow it and do not read', async () => {
    close = await serveConsole(path, commands(), log)
    const [said, socket] = await rawClient()
    socket.write('{"follow":true}\n{"id":1,"complete":""}\n')
    await until('first answer', () => said.text.includes('"id":1'))
    socket.pause()
    const line = 'x'.repeat(10_000)
    for (let i = 0; i < 1000; i++) log.logger('x').warning(line)
    socket.resume()
    socket.write('{"id":2,"complete":""}\n')
    await until('second answer', () => said.text.includes('"id":2'))
    expect(said.text.length).to.be.within(500_000, 5_000_000)
    socket.destroy()
  })

  it('tells who asks that the connection is lost, also where the other end had not read all of it', async () => {
    close = await serveConsole(path, commands(), log)
    const client = await connectConsole(path)
    let closed = 0
    client.onClose(() => closed++)
    // The server hangs up in the midst of it: what it has not read makes that a reset, as where it is killed.
    const lost = 'the connection to Lamplighter was lost'
    expect(await client.run('x'.repeat(4_000_000), () => undefined)).to.equal(lost)
    await until('the end', () => closed === 1)
  })

  async function rawClient(): Promise<[{ text: string }, Socket]> {
    const said = { text: '' }
    const socket = connect(path)
    await once(socket, 'connect')
    socket.setEncoding('utf8').on('data', (text: string) => (said.text += text))
    return [said, socket]
  }
})
