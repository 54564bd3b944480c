import { expect } from 'chai'
import type { Core } from '../../core/core.ts'
import { findModules } from '../../core/find-modules.ts'
import { Loader, type ModulesPlan } from '../../core/loader.ts'
import { Log, reasonOf } from '../../core/log.ts'
import { defineModule, type ModuleConfig, type ModuleDefinition } from '../../core/module.ts'
import { defaultsOf, type OptionSet } from '../../core/options.ts'

const plan: ModulesPlan = { autoload: true, preload: [], load: [], noload: [], require: [] }

/** Milliseconds that one undoing may take. */
const UNDO_LIMIT = 50

describe('module loader', () => {
  let happened: string[]
  let logged: string[]
  let readOptions: <S extends OptionSet>(declared: ModuleConfig<S>) => S

  const loaderOf = (...definitions: ModuleDefinition[]): Loader => {
    const log = new Log()
    log.addSink((line) => logged.push(line.message))
    // Modules here use nothing of the core but the log.
    const loader = new Loader({ log } as unknown as Core, (declared) => defaultsOf(readOptions(declared)), UNDO_LIMIT)
    for (const definition of definitions) loader.add(definition)
    return loader
  }
  const recording = (
    name: `res_${string}`,
    requires: `res_${string}`[] = [],
    fault?: () => string | undefined,
  ): ModuleDefinition =>
    defineModule({
      name,
      description: name,
      requires,
      load({ own }) {
        own(() => {
          happened.push(`- ${name}`)
        })
        const why = fault?.()
        if (why) throw new Error(why)
        happened.push(`+ ${name}`)
        return { name }
      },
      reload() {
        happened.push(`~ ${name}`)
      },
    })

  beforeEach(() => {
    happened = []
    logged = []
    readOptions = ({ set }) => set
  })

  it('starts where a module fails at being told that all are loaded, and tells the others', async () => {
    const broken: ModuleDefinition = {
      ...recording('res_a'),
      allLoaded: () => {
        throw new Error('the sky fell')
      },
    }
    const other: ModuleDefinition = { ...recording('res_b'), allLoaded: () => void happened.push('all res_b') }
    await loaderOf(broken, other).start(plan)
    expect(happened).to.deep.equal(['+ res_a', '+ res_b', 'all res_b'])
    expect(logged).to.deep.equal(['res_a failed when all modules were loaded: the sky fell'])
  })

  it('tells those that came when all that were to come with them are loaded', async () => {
    const waiting = (name: `res_${string}`, requires: `res_${string}`[]): ModuleDefinition => ({
      ...recording(name, requires),
      allLoaded: (api) => void happened.push(`all ${(api as { name: string }).name}`),
    })
    const loader = loaderOf(waiting('res_a', []), recording('res_b'), waiting('res_c', ['res_absent']))
    await loader.start(plan)
    expect(happened).to.deep.equal(['+ res_a', '+ res_b', 'all res_a'])
    await loader.restart('res_a')
    expect(happened.slice(3)).to.deep.equal(['- res_a', '+ res_a', 'all res_a'])
    await loader.restart('res_b')
    await loader.unload('res_a')
    await loader.load('res_a')
    expect(happened.slice(6)).to.deep.equal(['- res_b', '+ res_b', '- res_a', '+ res_a', 'all res_a'])
  })

  it('loads what a module requires before it, whatever the order of the files, and hands over its API', async () => {
    let given: unknown
    const needy = defineModule({
      name: 'res_a',
      description: '',
      requires: ['res_z'],
      load: (_context, needs) => {
        given = needs
      },
    })
    await loaderOf(needy, recording('res_z')).start(plan)
    expect(given).to.deep.equal({ res_z: { name: 'res_z' } })
  })

  it('declines a module that throws, undoes its half, and declines its dependents by name', async () => {
    const loader = loaderOf(
      recording('res_a', ['res_b']),
      recording('res_b', [], () => 'the sky fell'),
      recording('res_c'),
    )
    await loader.start(plan)
    expect(happened).to.deep.equal(['- res_b', '+ res_c'])
    expect(logged).to.deep.equal([
      'res_a declined to load: it requires res_b, which is not running',
      'res_b declined to load: the sky fell',
    ])
  })

  it('fails to start only where a required module is not running', async () => {
    const faulty = recording('res_b', [], () => 'the sky fell')
    let refusal = ''
    await loaderOf(faulty)
      .start({ ...plan, require: ['res_b'] })
      .catch((error: Error) => (refusal = error.message))
    expect(refusal).to.equal('modules.conf requires res_b, which is not running: the sky fell')
  })

  it('leaves out noload, and what needs it', async () => {
    const loader = loaderOf(recording('res_a', ['res_b']), recording('res_b'), recording('res_c'))
    await loader.start({ ...plan, noload: ['res_b'] })
    expect(happened).to.deep.equal(['+ res_c'])
  })

  it('unloads dependents first, and brings all of them back', async () => {
    const loader = loaderOf(
      recording('res_core'),
      recording('res_body', ['res_core']),
      recording('res_user', ['res_body']),
    )
    await loader.start(plan)
    happened = []
    expect(await loader.restart('res_core')).to.deep.equal(['res_user', 'res_body', 'res_core'])
    expect(happened).to.deep.equal(['- res_user', '- res_body', '- res_core', '+ res_core', '+ res_body', '+ res_user'])
    expect(loader.list().every((m) => m.status === 'Running')).to.equal(true)
  })

  it('says which do not come back when they are loaded again, and why', async () => {
    let fault: string | undefined
    const loader = loaderOf(
      recording('res_core', [], () => fault),
      recording('res_body', ['res_core']),
      recording('res_other'),
    )
    await loader.start(plan)
    fault = 'the database is in use'
    const said = await loader.restart('res_core').then(String, reasonOf)
    expect(said.split('\n')).to.deep.equal([
      'res_core declined: the database is in use',
      'res_body declined: it requires res_core, which is not running',
    ])
  })

  it('unloads nothing to load it again while a file of those that go with it has a fault', async () => {
    const config = [{ file: 'body.conf', section: 'general', set: {} }]
    const read: string[] = []
    const loader = loaderOf(
      recording('res_core'),
      { ...recording('res_body', ['res_core']), config },
      recording('res_x'),
    )
    readOptions = ({ file }) => {
      read.push(file)
      throw new Error(`${file}:1: a fault`)
    }
    await loader.start(plan)
    happened = []
    expect(await loader.restart('res_core').then(String, reasonOf)).to.equal('body.conf:1: a fault')
    expect(happened).to.deep.equal([])
    await loader.restart('res_x')
    expect([happened, read]).to.deep.equal([['- res_x', '+ res_x'], ['body.conf']])
  })

  it('loads again what declined, too, where that requires the module', async () => {
    let fault: string | undefined = 'its files cannot be read'
    const loader = loaderOf(
      recording('res_core'),
      recording('res_body', ['res_core']),
      recording('res_rules', ['res_body'], () => fault),
      recording('res_other', [], () => fault),
    )
    await loader.start(plan)
    expect(await loader.restart('res_core').then(String, reasonOf)).to.equal(
      'res_rules declined: its files cannot be read',
    )
    fault = undefined
    await loader.restart('res_core')
    expect(loader.list().map(({ name, status }) => `${name} ${status}`)).to.deep.equal([
      'res_body Running',
      'res_core Running',
      'res_other Declined',
      'res_rules Running',
    ])
  })

  it('waits no longer for an undoing that does not end, says whose it is, and goes on with the rest', async () => {
    const stuck: ModuleDefinition = {
      ...recording('res_stuck'),
      load({ own }) {
        own(() => {
          happened.push('- first')
        })
        own(() => new Promise<void>(() => undefined))
      },
    }
    const failing: ModuleDefinition = {
      ...recording('res_failing'),
      load({ own }) {
        own(() => new Promise<void>(() => undefined))
        throw new Error('the sky fell')
      },
    }
    const loader = loaderOf(stuck, failing, recording('res_other'))
    await loader.start(plan)
    const waits = (name: string): string =>
      `unloading ${name}: a part of it has not ended within 0.05 s, and is left to itself`
    expect(logged[0]).to.equal(waits('res_failing'))
    logged = []
    const unloaded = loader.unload('res_stuck')
    const other = loader.unload('res_other')
    expect(await Promise.all([unloaded, other])).to.deep.equal([['res_stuck'], ['res_other']])
    expect(happened).to.deep.equal(['+ res_other', '- first', '- res_other'])
    expect(logged).to.deep.equal([waits('res_stuck')])
    await loader.load('res_stuck')
    expect(loader.list().find(({ name }) => name === 'res_stuck')?.status).to.equal('Running')
  })

  it('loads a declined module once its reason is gone', async () => {
    let fault: string | undefined = 'not yet'
    const loader = loaderOf(recording('res_a', [], () => fault))
    await loader.start(plan)
    fault = undefined
    await loader.load('res_a')
    expect(loader.list()[0]?.status).to.equal('Running')
  })

  describe('with another modules.conf', () => {
    const core = recording('res_core')
    const body = recording('res_body', ['res_core'])
    const without = (...noload: string[]): ModulesPlan => ({ ...plan, noload })
    const running = (loader: Loader): string[] =>
      loader
        .list()
        .filter(({ status }) => status === 'Running')
        .map(({ name }) => name)
    const refusal = (changing: Promise<void>): Promise<string> =>
      changing.then(
        () => '',
        (error: Error) => error.message,
      )

    it('unloads what it refuses with all that requires it, and brings all of that back', async () => {
      const loader = loaderOf(body, core, recording('res_other'))
      await loader.start(plan)
      await loader.change(plan, without('res_core'))
      expect(running(loader)).to.deep.equal(['res_other'])
      expect(logged).to.deep.equal(['unloaded res_body, res_core'])
      await loader.change(without('res_core'), plan)
      expect(running(loader)).to.deep.equal(['res_body', 'res_core', 'res_other'])
    })

    it('loads what could not be loaded at the start for want of what it refused then', async () => {
      const loader = loaderOf(body, core)
      await loader.start(without('res_core'))
      expect(running(loader)).to.deep.equal([])
      await loader.change(without('res_core'), without('res_core'))
      expect(running(loader)).to.deep.equal([])
      await loader.change(without('res_core'), plan)
      expect(running(loader)).to.deep.equal(['res_body', 'res_core'])
    })

    it('leaves alone what was unloaded at the console, until it says another thing about it', async () => {
      const loader = loaderOf(body, core)
      await loader.start(plan)
      await loader.unload('res_body')
      await loader.change(plan, plan)
      expect(running(loader)).to.deep.equal(['res_core'])
      await loader.change(plan, without('res_body'))
      await loader.change(without('res_body'), plan)
      expect(running(loader)).to.deep.equal(['res_body', 'res_core'])
    })

    it('loads the others when one declines, says which and why, and tries that again the next time', async () => {
      let fault: string | undefined = 'the sky fell'
      const faulty = recording('res_a', [], () => fault)
      const loader = loaderOf(faulty, recording('res_b'))
      await loader.start(without('res_a', 'res_b'))
      expect(await refusal(loader.change(without('res_a', 'res_b'), plan))).to.equal(
        'res_a declined to load: the sky fell',
      )
      expect(running(loader)).to.deep.equal(['res_b'])
      fault = undefined
      await loader.change(plan, plan)
      expect(running(loader)).to.deep.equal(['res_a', 'res_b'])
    })

    it('loads what declined with the options that those it requires have now', async () => {
      let written = 'wrong'
      const settings = { directory: written }
      const owner = defineModule({
        name: 'res_owner',
        description: '',
        load: () => settings,
        reload() {
          settings.directory = written
        },
      })
      const user = recording('res_user', ['res_owner'], () => (settings.directory === 'wrong' ? 'wrong' : undefined))
      const loader = loaderOf(user, owner)
      await loader.start(plan)
      expect(running(loader)).to.deep.equal(['res_owner'])
      written = 'right'
      await loader.change(plan, plan)
      expect(running(loader)).to.deep.equal(['res_owner', 'res_user'])
    })

    it('says that a required module does not exist', async () => {
      const loader = loaderOf(core)
      await loader.start(plan)
      expect(await refusal(loader.change(plan, { ...plan, require: ['res_nowhere'] }))).to.equal(
        'modules.conf requires res_nowhere: there is no such module',
      )
    })
  })

  it('reloads every module, and tells the faults of all together', async () => {
    const faulty = (name: `res_${string}`): ModuleDefinition =>
      defineModule({
        name,
        description: '',
        load: () => undefined,
        reload: () => {
          throw new Error(`${name} finds fault`)
        },
      })
    const loader = loaderOf(faulty('res_a'), recording('res_b'), faulty('res_c'))
    await loader.start(plan)
    happened = []
    const said = await loader.reload().catch((error: Error) => error.message)
    expect(said).to.equal('res_a finds fault\nres_c finds fault')
    expect(happened).to.deep.equal(['~ res_b'])
  })

  it('finds modules whose file, name and default export are one word', async () => {
    const names = (await findModules()).map(({ name }) => name)
    expect(names).to.include.members(['res_pjsip_exten_state', 'res_pjsip_mwi', 'res_pjsip_pubsub'])
    for (const name of names) expect(name).to.match(/^res_[a-z_]+$/)
  })
})
