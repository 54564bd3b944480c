import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { Findings } from '../../core/conf/findings.ts'
import { readConfigFile } from '../../core/conf/parser.ts'
import { checkModuleFile, moduleFiles, readModuleOptions } from '../../core/module-files.ts'
import { integer, options, yesno } from '../../core/options.ts'

const lamp = { file: 'lamp.conf', section: 'general', set: options({ watts: integer(40, 'Power.') }) }
const shade = { file: 'lamp.conf', section: 'shade', set: options({ green: yesno(false, 'Colour.') }) }

describe('files of modules', () => {
  let directory: string
  const path = (): string => join(directory, 'lamp.conf')
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'module-files-'))
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  const check = (text: string): string[] => {
    writeFileSync(path(), text)
    const findings = new Findings()
    checkModuleFile(readConfigFile(path()).file, [lamp, shade], join(directory, 'lamps.db'), findings)
    return findings.problems.map(({ message }) => message.replace(`${directory}/`, ''))
  }
  const read = (): [watts: number, problems: string[]] => {
    const findings = new Findings()
    const around = { declared: [lamp, shade], storePath: join(directory, 'lamps.db') }
    const { watts } = readModuleOptions(directory, lamp, around, findings)
    return [watts, findings.problems.map(({ message }) => message.replace(`${directory}/`, ''))]
  }

  it('are named once, however many sections modules read in them', () => {
    expect(moduleFiles([lamp, shade, { ...lamp, file: 'other.conf' }])).to.deep.equal(['lamp.conf', 'other.conf'])
  })

  it('show every fault: sections, options and values', () => {
    expect(check('[general]\nwatts = 60\n[shade]\ngreen = yes\n')).to.deep.equal([])
    expect(check('[generl]\nwatts = 1\n[general]\nwats = 2\n[shade]\ngreen = maybe\n[x]\n')).to.deep.equal([
      "lamp.conf:1: unknown section [generl], did you mean 'general'?",
      'lamp.conf:7: unknown section [x], expected [general] or [shade]',
      "lamp.conf:4: unknown option 'wats' in [general], did you mean 'watts'?",
      "lamp.conf:6: green = 'maybe' is not valid, expected yes or no",
    ])
  })

  it('leave the defaults where they are not there', () => {
    expect(read()).to.deep.equal([40, []])
  })

  it('are a fault, and not missing, where they are a link that leads nowhere', () => {
    symlinkSync(join(directory, 'gone.conf'), path())
    expect(read()).to.deep.equal([40, ['lamp.conf: cannot be read (ENOENT), expected a readable file']])
  })

  it('may have a section in several pieces, named in any case; the last line counts', () => {
    writeFileSync(path(), '[general]\nwatts = 60\n[shade]\n[General]\nwatts = 75\n')
    expect(read()).to.deep.equal([75, []])
  })

  it('are read with what is wrong outside of the section, too: a name that is mistyped is none of its own', () => {
    writeFileSync(path(), '[genral]\nwatts = 60\n[shade]\ngreen = maybe\n')
    expect(read()).to.deep.equal([
      40,
      [
        "lamp.conf:1: unknown section [genral], did you mean 'general'?",
        "lamp.conf:4: green = 'maybe' is not valid, expected yes or no",
      ],
    ])
  })

  it('are read with the default for what is wrong, and the fault is told', () => {
    writeFileSync(path(), '[general]\nwatts = many\n#include "nowhere.conf"\n')
    const [watts, problems] = read()
    expect(watts).to.equal(40)
    expect(problems).to.have.length(2)
    expect(problems[0]).to.match(/^lamp.conf:3: #include "nowhere.conf": no such file/)
    expect(problems[1]).to.match(/^lamp.conf:2: watts = 'many' is not valid/)
  })
})
