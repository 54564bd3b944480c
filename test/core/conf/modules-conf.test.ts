import { expect } from 'chai'
import { type ModulesReading, readModules } from '../../../core/conf/modules-conf.ts'
import { parseConfig } from '../../../core/conf/parser.ts'

const read = (text: string): ModulesReading => readModules(parseConfig(text, '/own/modules.conf').file)

describe('modules.conf', () => {
  it('keeps what is named, in the order it is named, each once and without .so', () => {
    const { plan, problems } = read(
      '[modules]\nautoload = yes\nload = res_b.so\nload => res_a\nload = res_b\npreload = res_p.SO\npreload-require = res_q\nrequire = res_r\n[modules]\nnoload = res_n',
    )
    expect(problems).to.deep.equal([])
    expect(plan).to.deep.equal({
      autoload: true,
      preload: ['res_p', 'res_q'],
      load: ['res_b', 'res_a'],
      noload: ['res_n'],
      require: ['res_q', 'res_r'],
    })
  })

  it('loads only what is named where it does not say autoload', () => {
    expect(read('[modules]\nload = res_a').plan.autoload).to.equal(false)
    expect(read('[modules]\nautoload = no').plan.autoload).to.equal(false)
    expect(read('').plan.autoload).to.equal(false)
  })
})
