import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { Instance, run } from '../support/instance.ts'
import { needTool } from '../support/tools.ts'

const read = (path: string): string => readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), 'utf8')

describe('docs/service.md', function () {
  this.timeout(60_000)
  let service: Instance
  beforeEach(() => {
    service = new Instance({})
  })
  afterEach(() => service.dispose())

  it('has a unit that systemd understands', function () {
    needTool(this, 'systemd-analyze')
    const unit = read('configs/lamplighter.service')
    expect(unit).to.include('\nExecStart=lamplighter -C /etc/lamplighter\n')
    const path = join(service.directory, 'lamplighter.service')
    writeFileSync(path, unit.replace('=lamplighter -C', `=${process.execPath} -C`))
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', path], { encoding: 'utf8' })
    expect(stderr).to.equal('')
    expect(status).to.equal(0)
  })

  it('has a program that the link of `npm install -g .` starts, also where the build began from nothing', () => {
    const { stdout } = spawnSync(fileURLToPath(new URL('../../dist/core/cli.js', import.meta.url)), ['--version'], {
      encoding: 'utf8',
    })
    expect(stdout).to.match(/^lamplighter /)
  })

  it('has a program that says of which commit it is, so that an upgrade by `git pull` is seen', async () => {
    const isRepository = spawnSync('git', ['rev-parse', 'HEAD']).status === 0
    const commit = read('dist/commit').trim()
    expect(commit).to.match(isRepository ? /^[0-9a-f]{7,}(-dirty)?$/ : /^$/)
    const shown = commit === '' ? '' : ` \\(${commit}\\)`
    expect((await run('--version')).stdout).to.match(new RegExp(`^lamplighter \\d+\\.\\d+\\.\\d+${shown}\n$`))
  })

  it('says all that is needed for a configuration directory that is only read', async () => {
    const [, shown = ''] = /^```ini\n([\s\S]*?)^```$/m.exec(read('docs/service.md')) ?? []
    const state = join(service.directory, 'state')
    mkdirSync(state)
    const files = {
      'lamplighter.conf': shown.replaceAll(/\/(?:var\/lib|run)\/lamplighter(?=\/)/g, state),
      'pjsip.conf': '[udp]\ntype = transport\nprotocol = udp\nbind = 127.0.0.1:0\n',
    }
    service.write(files)
    await service.start()
    const { code, stdout } = await run('-C', service.directory, '-rx', 'core show settings')
    expect(code).to.equal(0)
    expect(stdout)
      .to.include(`Store: ${state}/lamplighter.db\n`)
      .and.include(`Console socket: ${state}/lamplighter.ctl\n`)
    expect(readdirSync(service.directory)).to.have.members([...Object.keys(files), 'state'])
    service.signal('SIGHUP')
    expect((await service.end()).code).to.equal(0)
    expect(readdirSync(service.directory)).to.have.members([...Object.keys(files), 'state'])
  })
})
