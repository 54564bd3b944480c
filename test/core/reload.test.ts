import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Configuration, readConfiguration } from '../../core/conf/configuration.ts'
import { Log } from '../../core/log.ts'
import { ConfigError } from '../../core/options.ts'
import {
  beforeAnything,
  ConfigurationFaults,
  logFailure,
  ReloadTroubles,
  takeAll,
  waitsForRestart,
} from '../../core/reload.ts'

const thrownBy = async (work: Promise<void>): Promise<unknown> => {
  try {
    await work
    return undefined
  } catch (error) {
    return error
  }
}
const refuse = (why: string) => (): never => {
  throw new Error(why)
}

describe('a reload that fails', () => {
  const logged = (error: unknown): string[] => {
    const lines: string[] = []
    const log = new Log()
    log.addSink(({ level, message }) => lines.push(`${level}: ${message}`))
    logFailure(log.logger('core'), error)
    return lines
  }

  it('takes every step, and tells all that went wrong together', async () => {
    const taken: string[] = []
    const error = await thrownBy(
      takeAll([
        () => void taken.push('a'),
        refuse('the bridge fell\nand the module'),
        async () => void taken.push('c'),
        () => Promise.reject(new Error('late')),
        () => void taken.push('e'),
      ]),
    )
    expect(taken).to.deep.equal(['a', 'c', 'e'])
    expect(error).to.be.instanceOf(ReloadTroubles)
    expect(logged(error)).to.deep.equal([
      'error: the bridge fell',
      'error: and the module',
      'error: late',
      'error: the configuration is in effect but for the errors above: mend them and reload again',
    ])
    expect(await thrownBy(takeAll([]))).to.equal(undefined)
  })

  it('says that nothing has changed where the configuration is at fault', async () => {
    const fault = new ConfigError('bind = x is not valid', { file: 'pjsip.conf', line: 3 })
    const error = await thrownBy(
      beforeAnything(() => {
        throw fault
      }),
    )
    expect(error).to.be.instanceOf(ConfigurationFaults)
    expect(logged(error)).to.deep.equal([
      'error: pjsip.conf:3: bind = x is not valid',
      'error: nothing was reloaded: mend the faults above and reload again',
    ])
  })

  it('by a fault of ours asks for a report, with its stack', async () => {
    const error = await thrownBy(beforeAnything(refuse('undefined is not a lamp')))
    expect(error).not.to.be.instanceOf(ConfigurationFaults)
    const [line, ...more] = logged(error)
    expect(more).to.deep.equal([])
    expect(line).to.match(/should not have happened, please report it: Error: undefined is not a lamp[^]*reload\.test/)
  })
})

describe('what waits for a restart', () => {
  let directory: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'reload-'))
  })
  afterEach(() => rmSync(directory, { recursive: true }))
  const configured = (text: string): Configuration => {
    writeFileSync(join(directory, 'lamplighter.conf'), text)
    return readConfiguration(directory).configuration
  }

  it('is named in the words of lamplighter.conf, and nothing else is', () => {
    const started = configured('')
    expect(
      waitsForRestart(started, configured('[general]\ncompat = asterisk\n[console]\nlevel = debug\n')),
    ).to.deep.equal([])
    expect(waitsForRestart(started, configured('[store]\npath = ./lamplighter.db\n'))).to.deep.equal([])
    const text = '[store]\npath = x.db\nsynchronous = full\n[console]\nsocket = x.ctl\nlogfile = x\ntimestamp = no\n'
    expect(waitsForRestart(started, configured(text))).to.deep.equal([
      'path in [store]',
      'synchronous in [store]',
      'socket in [console]',
      'logfile in [console]',
      'timestamp in [console]',
    ])
  })

  it('is not asterisk_config, though a server is asked from then on for what the files said', () => {
    const server = '[pbx1]\ntype = server\nusername = lamp\n'
    const files = configured(`[general]\nasterisk_config = ${directory}/..\n${server}`)
    expect(waitsForRestart(files, configured(server))).to.deep.equal([])
  })
})
