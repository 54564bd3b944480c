import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import type { OutboundPublish } from '../../core/publication-options.ts'
import { EXTENSION } from '../../core/states/extension-state.ts'
import res_pjsip_dialog_info_body_generator from '../../res_pjsip_exten_state/res_pjsip_dialog_info_body_generator.ts'
import res_pjsip_exten_state from '../../res_pjsip_exten_state/res_pjsip_exten_state.ts'
import res_pjsip_pidf_body_generator from '../../res_pjsip_exten_state/res_pjsip_pidf_body_generator.ts'
import res_pjsip_xpidf_body_generator from '../../res_pjsip_exten_state/res_pjsip_xpidf_body_generator.ts'
import res_pjsip_outbound_publish from '../../res_pjsip_publish_asterisk/res_pjsip_outbound_publish.ts'
import res_pjsip_pubsub from '../../res_pjsip_pubsub/res_pjsip_pubsub.ts'
import type { TestCore } from '../support/core.ts'
import { FakeSip } from '../support/fake-sip.ts'
import { TestPhone } from '../support/phone.ts'
import { configure, EID, startServer, uriOf } from '../support/publishing.ts'
import { until } from '../support/tools.ts'

const HINTS = { '200@office': ['Custom:door'], '201@office': ['Custom:gate'], '900@lab': ['Custom:lab'] }

describe('Hints that are published', () => {
  let office: TestCore
  let server: TestCore | undefined

  const load = (core: TestCore): Promise<unknown> =>
    core.load(
      res_pjsip_pubsub,
      res_pjsip_exten_state,
      res_pjsip_dialog_info_body_generator,
      res_pjsip_pidf_body_generator,
      res_pjsip_xpidf_body_generator,
      res_pjsip_outbound_publish,
    )

  /** `HINTS` as a dialplan that can name its extensions. */
  function nameable(core: TestCore, more: readonly { exten: string; context: string }[] = []): void {
    core.core.hints.addSource({
      name: 'dialplan',
      lookup: () => Promise.resolve(undefined),
      extensions: () => [
        ...Object.keys(HINTS).map((key) => ({ exten: key.slice(0, 3), context: key.slice(4) })),
        ...more,
      ],
      onChange: () => () => undefined,
    })
  }

  afterEach(async () => {
    await office.close()
    await server?.close()
    server = undefined
  })

  it('reach a server that another one redirects to', async () => {
    const there = await startServer(EID.b, { endpoints: { 200: { allow_publish: 'any' } } })
    server = there
    await load(there)
    office = await startServer(EID.a, { hints: { '200@office': ['Custom:door'] } })
    const other = await TestPhone.open({ server: { address: '127.0.0.1', port: office.port } })
    other.onRequest = (request) => {
      const user = /sip:[^@]*/.exec(request.uri)?.[0] ?? ''
      other.respond(request, 302, [['Contact', `<${uriOf(there).replace(/sip:[^@]*/, user)}>`]])
      return undefined
    }
    nameable(office)
    const section = { server_uri: [`sip:x@127.0.0.1:${other.local.port}`], event: 'dialog', multi_user: true } as const
    configure(office, { outbound: { lamps: { ...section, '@context': '^office$' } } })
    await load(office)
    const bodies = (): Promise<string> => there.run('presence presentity_list full')
    await until('200 there', async () => (await bodies()).includes('<state>terminated</state>'))
    office.core.devices.set('local', 'Custom:door', 'RINGING')
    await until('200 that rings', async () => (await bodies()).includes('<state>early</state>'))
    await other.close()
  })

  it('reach a presence server, all at the start and each change, by extension', async () => {
    server = await startServer(EID.b, { endpoints: { lamps: { allow_publish: 'any' } } })
    await load(server)
    const hints: Record<string, string[]> = { ...HINTS, '900@office': ['Custom:new'] }
    office = await startServer(EID.a, { hints, general: { removed_hint_grace: 0 } })
    const more: { exten: string; context: string }[] = []
    nameable(office, more)
    office.core.devices.set('local', 'Custom:door', 'RINGING')
    const section = {
      server_uri: [uriOf(server)],
      // Who we are there, while the extension takes the place of the user.
      event: 'dialog',
      multi_user: true,
      '@context': '^office$',
    } as const
    configure(office, { outbound: { lamps: section } })
    // An extension is From, too: the server has to know it.
    server.core.endpoints.replace({
      ...server.core.endpoints.files,
      endpoints: new Map(
        ['200', '201', '900'].map((id) => {
          const lamps = server?.core.endpoints.files.endpoints.get('lamps')
          if (!lamps) throw new Error('no endpoint')
          return [id, { ...lamps, id }]
        }),
      ),
    })
    await load(office)
    const bodies = async (): Promise<string> => (await server?.run('presence presentity_list full')) ?? ''
    await until('200 that rings', async () => (await bodies()).includes('<state>early</state>'))
    await until('201 that does nothing', async () => (await bodies()).includes('<state>terminated</state>'))
    expect(await bodies()).to.not.include('sip:900@')
    office.core.devices.set('local', 'Custom:door', 'INUSE')
    await until('200 in use', async () => (await bodies()).includes('<state>confirmed</state>'))
    expect(await bodies()).to.include(`entity="sip:200@127.0.0.1:${server.port}"`)
    expect(await server.run('pjsip show publications inbound')).to.include('2 active publications')
    expect(await office.run('pjsip show publications outbound')).to.include('lamps/200/dialog')
    more.push({ exten: '900', context: 'office' })
    await office.core.hints.reread()
    await until('what is new', async () => (await bodies()).includes('entity="sip:900@'))
    delete hints['201@office']
    await office.core.hints.reread()
    await until('what is gone to be withdrawn', async () =>
      ((await server?.run('pjsip show publications inbound')) ?? '').includes('2 active publications'),
    )
    expect(await bodies()).to.not.include('entity="sip:201@')
    configure(office, {})
    await until('nothing published', async () =>
      ((await server?.run('pjsip show publications inbound')) ?? '').includes('0 active publications'),
    )
  })

  for (const [event, body, part] of [
    ['presence', '', '<basic>'],
    ['presence', 'application/xpidf+xml', '<presentity uri='],
    ['dialog', '', 'version="0"'],
  ] as const) {
    it(`are ${body || 'what is usual'} for ${event}`, async () => {
      const sip = new FakeSip()
      office = await startServer(EID.a, { hints: HINTS, sip })
      nameable(office)
      const section = {
        server_uri: ['sip:192.0.2.9'],
        multi_user: true,
        '@body': body,
        '@exten': '^20',
        event,
      } as const
      configure(office, { outbound: { out: section } })
      await load(office)
      await until('two', () => sip.sent.length === 2)
      expect(sip.sent.map(({ requestUri }) => requestUri).sort()).to.deep.equal([
        'sip:200@192.0.2.9',
        'sip:201@192.0.2.9',
      ])
      expect(sip.sent[0]?.body?.content.toString()).to.include(part)
      expect(sip.sent[0]?.headers).to.deep.include(['Event', event])
    })
  }

  it('that went while their devices were asked for are published when they come back', async () => {
    const sip = new FakeSip()
    const hints: Record<string, string[]> = { '200@office': ['Custom:door'] }
    office = await startServer(EID.a, { hints, sip, general: { removed_hint_grace: 0 } })
    nameable(office)
    let answer: () => void = () => undefined
    const asked = new Promise<void>((done) => {
      const read = (): Promise<void> => {
        done()
        return new Promise((resolve) => (answer = resolve))
      }
      office.core.devices.addReader({ origin: 'pbx1', read })
    })
    const section = { server_uri: ['sip:192.0.2.9'], multi_user: true, event: 'dialog', '@exten': '^200$' } as const
    configure(office, { outbound: { out: section } })
    await load(office)
    await asked
    delete hints['200@office']
    await office.core.hints.reread()
    answer()
    await until('the end of the question', () => office.core.hints.list().length === 0)
    hints['200@office'] = ['Custom:door']
    await until('what is back', async () => {
      await office.core.hints.reread()
      return sip.sent.length > 0
    })
  })

  describe('and a restart', () => {
    let directory: string
    let third: TestCore | undefined
    beforeEach(() => {
      directory = mkdtempSync(join(tmpdir(), 'published-'))
    })
    afterEach(async () => {
      await third?.close()
      third = undefined
      rmSync(directory, { recursive: true })
    })

    const auths = { door: { username: 'lamps', password: 'secret' } } as const
    const section = { multi_user: true, event: 'presence', '@context': '^office$', outbound_auth: ['door'] } as const

    /** Who has an endpoint of each name, and asks for their password. */
    async function receiver(auth: readonly string[] = ['door']): Promise<TestCore> {
      const endpoints = Object.fromEntries(
        ['lamps', '200', '201'].map((id) => [id, { allow_publish: 'any', auth }] as const),
      )
      const core = await startServer(EID.b, { endpoints, auths })
      await load(core)
      return core
    }

    /** Publishes `hints`, with a source that can name only some. */
    async function begin(
      sections: Readonly<Record<string, Partial<OutboundPublish>>>,
      hints: Readonly<Record<string, readonly string[]>>,
      named = Object.keys(hints),
    ): Promise<void> {
      office = await startServer(EID.a, { hints, auths, storePath: join(directory, 'a.db') })
      office.core.hints.addSource({
        name: 'dialplan',
        lookup: () => Promise.resolve(undefined),
        extensions: () => named.map((key) => ({ exten: key.slice(0, 3), context: key.slice(4) })),
        onChange: () => () => undefined,
      })
      configure(office, { outbound: sections })
      await load(office)
    }

    const published = async (at: TestCore | undefined): Promise<readonly string[]> =>
      [...((await at?.run('presence presentity_list')) ?? '').matchAll(/sip:(\d+)@/g)]
        .map(([, user = '']) => user)
        .sort()

    const quiet = async (): Promise<boolean> => {
      const shown = await office.run('pjsip show publications outbound')
      return /\d  published /.test(shown) && !/\d  (sending|idle|waiting) /.test(shown)
    }

    for (const [what, after, sections, named] of [
      ['hints that went', { '200@office': ['Custom:door'] }, ['lamps'], ['200']],
      ['hints that are not to be published any more', HINTS, ['few'], ['200']],
      ['a section that went', HINTS, [], []],
      ['a section that has another name', HINTS, ['renamed'], ['200', '201']],
      ['a section that is for another event', HINTS, ['dialogs'], ['200', '201']],
      ['a server that went', HINTS, ['elsewhere'], []],
    ] as const)
      it(`takes back what was published of ${what}`, async () => {
        server = await receiver()
        third = await receiver([])
        const to = { ...section, server_uri: [uriOf(server)] }
        await begin({ lamps: to }, HINTS)
        await until('both', async () => (await published(server)).length === 2)
        await until('all said', quiet)
        await office.close()
        const all: Readonly<Record<string, Partial<OutboundPublish>>> = {
          few: { ...to, '@exten': '^200$' },
          dialogs: { ...to, event: 'dialog' },
          elsewhere: { ...to, server_uri: [uriOf(third)], outbound_auth: [] },
          renamed: to,
          lamps: to,
        }
        const now = Object.fromEntries(sections.map((name) => [name === 'renamed' ? name : 'lamps', all[name] ?? {}]))
        await begin(now, after)
        if (sections.length > 0) await until('all said', quiet)
        await until('what is to be there', async () => (await published(server)).join() === named.join())
        const active = async (): Promise<string> => (await server?.run('pjsip show publications inbound')) ?? ''
        await until('one of each', async () => (await active()).includes(`${named.length} active publications`))
        if (sections[0] === 'elsewhere') expect(await published(third)).to.deep.equal(['200', '201'])
      })

    it('takes back what a server that is away has not heard of, also when a section went, and we, before it is there', async () => {
      const there = await TestPhone.open({ server: { address: '127.0.0.1', port: 9 } })
      const withdrawn: string[] = []
      let isAway = false
      there.onRequest = (request) => {
        if (request.header('expires') === '0') withdrawn.push(request.header('sip-if-match'))
        const made: [string, string][] = [
          ['SIP-ETag', /sip:(\d+)/.exec(request.uri)?.[1] ?? ''],
          ['Expires', '600'],
        ]
        there.respond(request, isAway ? 503 : 200, isAway ? [['Retry-After', '1']] : made)
        return undefined
      }
      const to = { ...section, server_uri: [`sip:127.0.0.1:${there.local.port}`], outbound_auth: [] }
      await begin({ lamps: to }, HINTS)
      await until('all said', quiet)
      isAway = true
      configure(office, {})
      await until('two that are refused', () => withdrawn.length === 2)
      await until('another attempt', () => withdrawn.length > 2)
      await office.close()
      isAway = false
      withdrawn.length = 0
      await begin({}, HINTS)
      await until('both taken back', () => withdrawn.length === 2)
      expect(withdrawn.sort()).to.deep.equal(['200', '201'])
      await there.close()
    })

    it('says again what its server did not take back when it went on with a dialog after a restart', async () => {
      const there = await TestPhone.open({ server: { address: '127.0.0.1', port: 9 } })
      const withdrawn: string[] = []
      let made = 0
      there.onRequest = (request) => {
        const isWithdrawal = request.header('expires') === '0'
        if (isWithdrawal) withdrawn.push(request.header('sip-if-match'))
        const isRefused = isWithdrawal && withdrawn.length === 1
        const headers: [string, string][] = [['SIP-ETag', `made-${++made}`]]
        there.respond(
          request,
          isRefused ? 503 : 200,
          isRefused ? [['Retry-After', '1']] : [...headers, ['Expires', '600']],
        )
        return undefined
      }
      const server_uri = [`sip:127.0.0.1:${there.local.port}`]
      const lamps = { ...section, event: 'dialog', server_uri, outbound_auth: [], '@exten': '^200$' } as const
      await begin({ lamps }, HINTS)
      await until('all said', quiet)
      await office.close()
      await begin({ lamps }, HINTS)
      await until('another attempt', () => withdrawn.length === 2)
      expect(withdrawn).to.deep.equal(['made-1', 'made-1'])
      await there.close()
    })

    it('knows what it published since its module was loaded anew, also where the withdrawal of before is answered later', async () => {
      const there = await TestPhone.open({ server: { address: '127.0.0.1', port: 9 } })
      let made = 0
      let madeAnew = 0
      let takeBack: (() => void) | undefined
      there.onRequest = (request) => {
        const before = request.header('sip-if-match')
        if (request.header('expires') === '0') {
          takeBack = () => there.respond(request, 200, [['Expires', '0']])
          return undefined
        }
        if (before === '') madeAnew++
        const isKnown = before === '' || before === `made-${made}`
        const answer: [string, string][] = [
          ['SIP-ETag', `made-${++made}`],
          ['Expires', '600'],
        ]
        there.respond(request, isKnown ? 200 : 412, isKnown ? answer : [])
        return undefined
      }
      const server_uri = [`sip:127.0.0.1:${there.local.port}`]
      const lamps = { ...section, server_uri, outbound_auth: [], '@exten': '^200$' } as const
      await begin({ lamps }, HINTS)
      await until('all said', quiet)
      await office.loader.unload('res_pjsip_outbound_publish')
      await until('the withdrawal', () => takeBack !== undefined)
      await office.load(res_pjsip_outbound_publish)
      await until('all said anew', async () => made > 1 && (await quiet()))
      madeAnew = 0
      const received = office.metric('sip.responses.received')
      takeBack?.()
      await until('its answer', () => office.metric('sip.responses.received') > received)
      await office.close()
      await begin({ lamps }, HINTS)
      await until('all said after a start', quiet)
      expect(madeAnew).to.equal(0)
      await there.close()
    })

    it('leaves a section alone that comes back a moment after the start', async () => {
      server = await receiver()
      const to = { ...section, server_uri: [uriOf(server)] }
      const lamps = { ...to, '@exten': '^200$' }
      await begin({ lamps, gone: { ...to, '@exten': '^201$' } }, HINTS)
      await until('both', async () => (await published(server)).length === 2)
      await until('all said', quiet)
      await office.close()
      await begin({}, HINTS)
      const withdrawn = new Set<string>()
      office.core.sip.trace((text) => {
        const [, user] = /PUBLISH sip:(\d+)/.exec(text) ?? []
        if (user !== undefined && text.includes('Expires: 0')) withdrawn.add(user)
      })
      configure(office, { outbound: { lamps } })
      await until('the other taken back', async () => (await published(server)).join() === '200')
      expect([...withdrawn]).to.deep.equal(['201'])
    })

    it('goes on with an extension in the context that was left of two', async () => {
      server = await receiver()
      const to = { ...section, server_uri: [uriOf(server)], '@context': '' }
      const hints: Record<string, string[]> = { '200@office': ['Custom:door'], '200@lab': ['Custom:lab'] }
      await begin({ lamps: to }, hints)
      office.general({ removed_hint_grace: 0 })
      await until('it', async () => (await published(server)).length === 1)
      await until('all said', quiet)
      office.core.devices.set('local', 'Custom:lab', 'INUSE')
      const isBusy = async (): Promise<boolean> =>
        ((await server?.run('presence presentity_list full')) ?? '').includes('On the phone')
      await until('the change of one', isBusy)
      delete hints['200@office']
      await office.core.hints.reread()
      await until('all said of the other', quiet)
      await office.close()
      await begin({ lamps: to }, hints, [])
      await until('that it is followed', async () => {
        office.core.devices.set('local', 'Custom:lab', 'NOT_INUSE')
        return !(await isBusy())
      })
      expect(await published(server)).to.deep.equal(['200'])
    })

    it('goes on with hints that only a watcher had named, and takes those back that are gone', async () => {
      server = await receiver()
      const to = { ...section, server_uri: [uriOf(server)] }
      await begin({ lamps: to }, HINTS)
      await until('both', async () => (await published(server)).length === 2)
      await until('all said', quiet)
      await office.close()
      await begin({ lamps: to }, { '200@office': ['Custom:door'] }, [])
      await until('200 alone', async () => (await published(server)).join() === '200')
      office.core.devices.set('local', 'Custom:door', 'INUSE')
      await until('200 in use', async () =>
        ((await server?.run('presence presentity_list full')) ?? '').includes('On the phone'),
      )
    })
  })

  it('of one extension in two contexts are one publication, which ends with the last of them', async () => {
    server = await startServer(EID.b, { endpoints: { 200: { allow_publish: 'any' } } })
    await load(server)
    const hints: Record<string, string[]> = { '200@office': ['Custom:door'], '200@lab': ['Custom:lab'] }
    office = await startServer(EID.a, { hints, general: { removed_hint_grace: 0 } })
    office.core.devices.set('local', 'Custom:lab', 'RINGING')
    nameable(office, [{ exten: '200', context: 'lab' }])
    const lamps = { server_uri: [uriOf(server)], event: 'dialog', multi_user: true, '@exten': '^200$' } as const
    configure(office, { outbound: { lamps } })
    await load(office)
    const state = async (): Promise<string> =>
      /<state>(\w+)/.exec((await server?.run('presence presentity_list full')) ?? '')?.[1] ?? 'none'
    await until('it is there', async () => (await state()) !== 'none')
    office.core.devices.set('local', 'Custom:door', 'INUSE')
    await until('what changed last', async () => (await state()) === 'confirmed')
    delete hints['200@office']
    await office.core.hints.reread()
    await until('the other', async () => (await state()) === 'early')
    office.core.devices.set('local', 'Custom:lab', 'INUSE')
    await until('its change', async () => (await state()) === 'confirmed')
    delete hints['200@lab']
    await office.core.hints.reread()
    await until('nothing', async () => (await state()) === 'none')
  })

  it('begin again with the first version where they went and came back', async () => {
    const sip = new FakeSip()
    const hints: Record<string, string[]> = { '200@office': ['Custom:door'] }
    office = await startServer(EID.a, { hints, sip, general: { removed_hint_grace: 0 } })
    nameable(office)
    const section = { server_uri: ['sip:192.0.2.9'], multi_user: true, event: 'dialog', '@exten': '^200$' } as const
    configure(office, { outbound: { out: section } })
    await load(office)
    const versions = (): string[] =>
      sip.sent.flatMap(({ body }) => /version="(\d+)"/.exec(body?.content.toString() ?? '')?.[1] ?? [])
    await until('the first', () => versions().length === 1)
    delete hints['200@office']
    await office.core.hints.reread()
    hints['200@office'] = ['Custom:door']
    await office.core.hints.reread()
    await until('the next', () => versions().length === 3)
    expect(versions(), 'there, gone, and there again').to.deep.equal(['0', '1', '0'])
  })

  it('of patterns are published as soon as somebody watches them', async () => {
    const sip = new FakeSip()
    office = await startServer(EID.a, { hints: HINTS, sip, endpoints: { 100: { hintContext: 'office' } } })
    const section = { server_uri: ['sip:192.0.2.9'], multi_user: true, event: 'dialog' } as const
    configure(office, { outbound: { out: section } })
    await load(office)
    expect(sip.sent).to.deep.equal([])
    expect((await sip.subscribe('200', { Event: 'dialog', Accept: undefined })).status).to.equal(200)
    await until('one', () => sip.sent.length === 1)
    expect(office.core.hints.list()[0]?.watchers, 'the phone alone').to.equal(1)
    office.core.devices.set('local', 'Custom:door', 'RINGING')
    await until('another', () => sip.sent.length >= 2)
    expect(sip.sent.at(-1)?.body?.content.toString()).to.include('<state>early</state>')
    expect(office.core.hints.list()[0]?.value.state).to.equal(EXTENSION.RINGING)
  })

  it('of patterns are published as well for whom a reload, or a list, has brought there', async () => {
    const sip = new FakeSip()
    const hints = { '200@lab': ['Custom:door'], '201@lab': ['Custom:gate'], '200@office': ['Custom:door'] }
    office = await startServer(EID.a, {
      hints,
      sip,
      endpoints: { 100: { hintContext: 'office' } },
      lists: { floor: { event: 'dialog', list_item: ['201'] } },
    })
    const section = { server_uri: ['sip:192.0.2.9'], multi_user: true, event: 'dialog', '@context': 'lab' } as const
    configure(office, { outbound: { out: section } })
    await load(office)
    const { endpoints } = office.core
    expect((await sip.subscribe('200', { Event: 'dialog', Accept: undefined })).status).to.equal(200)
    const moved = [...endpoints.files.endpoints].map(([id, one]) => [id, { ...one, hintContext: 'lab' }] as const)
    endpoints.replace({ ...endpoints.files, endpoints: new Map(moved) })
    await until('one', () => sip.sent.length === 1)
    expect(sip.sent[0]?.requestUri).to.equal('sip:200@192.0.2.9')
    const list = { Event: 'dialog', Supported: 'eventlist', Accept: undefined }
    expect((await sip.subscribe('floor', list)).status).to.equal(200)
    await until('another', () => sip.sent.length === 2)
    expect(sip.sent[1]?.requestUri).to.equal('sip:201@192.0.2.9')
  })

  it("have From and To the wrong way round under compat=asterisk, as Asterisk's have", async () => {
    for (const [compat, from] of [
      ['rfc', '<sip:200@from.example>'],
      ['asterisk', '<sip:200@to.example>'],
    ] as const) {
      const sip = new FakeSip()
      await office?.close()
      office = await startServer(EID.a, { hints: HINTS, sip, general: { compat } })
      nameable(office)
      const uris = { server_uri: ['sip:192.0.2.9'], from_uri: 'sip:x@from.example', to_uri: 'sip:x@to.example' }
      configure(office, {
        outbound: { out: { ...uris, multi_user: true, event: 'dialog', '@exten': '200', expiration: 77 } },
      })
      await load(office)
      await until('a PUBLISH', () => sip.sent[0])
      expect(sip.sent[0]?.from, compat).to.equal(from)
      expect(sip.sent[0]?.headers).to.deep.include(['Expires', '77'])
    }
  })
})
