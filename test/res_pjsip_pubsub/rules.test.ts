import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import * as fc from 'fast-check'
import { Log } from '../../core/log.ts'
import { defaultsOf } from '../../core/options.ts'
import { endpointOptions } from '../../core/pjsip-options.ts'
import { element, printXml } from '../../core/xml.ts'
import { pubsubOptions } from '../../res_pjsip_pubsub/options.ts'
import { RulesAuthorizer } from '../../res_pjsip_pubsub/rules/authorizer.ts'
import { RulesBook } from '../../res_pjsip_pubsub/rules/book.ts'
import { type Circumstances, granted, hasSpheres, nextChange } from '../../res_pjsip_pubsub/rules/decision.ts'
import { RulesFault, readRuleset } from '../../res_pjsip_pubsub/rules/document.ts'
import { viewOf } from '../../res_pjsip_pubsub/rules/view.ts'
import type { SubHandling } from '../../res_pjsip_pubsub/watchers/authorization.ts'
import { watcherOptions } from '../../res_pjsip_pubsub/watchers/watcher-options.ts'
import { ALL_SHOWN, one, ruleset } from '../support/rules.ts'
import { until } from '../support/tools.ts'

const NOW = Date.parse('2026-11-21T12:00:00Z')

const circumstances = (more: Partial<Circumstances> & { users?: string[]; domain?: string } = {}): Circumstances => ({
  requester: {
    authenticated: true,
    users: more.users ?? ['101'],
    domain: more.domain ?? 'pbx.example',
    asserted: false,
  },
  spheres: [],
  now: NOW,
  domains: [],
  sameName: (a, b) => a === b,
  ...more,
})

describe('rules: documents (RFC 4745, RFC 5025)', () => {
  function faultOf(text: string): string {
    try {
      readRuleset(text)
    } catch (error) {
      if (error instanceof RulesFault) return error.message
      throw error
    }
    return 'none'
  }

  for (const [what, text, fault] of [
    ['no XML', 'allow everybody', /text outside of the root element/],
    ['another document', '<presence xmlns="urn:ietf:params:xml:ns:pidf"/>', /<presence> is no <ruleset>/],
    ['another namespace', '<ruleset/>', /<ruleset> is no <ruleset>/],
    ['a rule without id', ruleset({}).replace(' id="r1"', ''), /a rule without id/],
    ['an unknown handling', ruleset({ handling: 'maybe' }), /rule r1: sub-handling 'maybe', expected one of: block/],
    ['a <one> without id', ruleset({ conditions: '<cr:identity><cr:one/></cr:identity>' }), /<one> needs id/],
    [
      'an <except> without anything',
      ruleset({ conditions: '<cr:identity><cr:many><cr:except/></cr:many></cr:identity>' }),
      /<except> needs an id or a domain/,
    ],
    ['a sphere without value', ruleset({ conditions: '<cr:sphere/>' }), /<sphere> needs value/],
    [
      'a time without zone',
      ruleset({
        conditions:
          '<cr:validity><cr:from>2026-01-01T00:00:00</cr:from><cr:until>2026-01-02T00:00:00</cr:until></cr:validity>',
      }),
      /is no time/,
    ],
    [
      'half a period',
      ruleset({ conditions: '<cr:validity><cr:from>2026-01-01T00:00:00Z</cr:from></cr:validity>' }),
      /pairs/,
    ],
    [
      'no boolean',
      ruleset({ shown: '<pr:provide-note>perhaps</pr:provide-note>' }),
      /provide-note 'perhaps', expected true/,
    ],
    [
      'no boolean where nothing is to be said',
      ruleset({ shown: '<pr:provide-all-attributes>perhaps</pr:provide-all-attributes>' }),
      /provide-all-attributes 'perhaps', expected true/,
    ],
    [
      'an unknown user input',
      ruleset({ shown: '<pr:provide-user-input>some</pr:provide-user-input>' }),
      /provide-user-input/,
    ],
  ] as const) {
    it(`finds fault with ${what}`, async () => expect(faultOf(text)).to.match(fault))
  }

  it('passes over what others have added to it', async () => {
    const text = ruleset({
      handling: 'allow',
      shown: '<x:provide-hat xmlns:x="urn:x">yes</x:provide-hat><pr:provide-note>1</pr:provide-note>',
    })
    const [rule] = readRuleset(text).rules
    expect(rule?.handling).to.equal('allow')
    expect([...(rule?.transformations?.attributes ?? [])]).to.deep.equal(['note'])
  })

  it('reads the one in the handbook, and has the same defaults as its table', async () => {
    const page = readFileSync(fileURLToPath(new URL('../../docs/watchers.md', import.meta.url)), 'utf8')
    const { rules } = readRuleset(/```xml\n(.*?)```/s.exec(page)?.[1] ?? '')
    expect(rules.map(({ id, handling }) => `${id}: ${handling}`)).to.deep.equal([
      'colleagues: allow',
      'everybody-else: confirm',
    ])
    for (const name of ['rules_absent', 'rules_unmatched', 'rules_untransformed'] as const)
      expect(page).to.match(new RegExp(`\\\`${name}\\\` \\| \\\`${watcherOptions[name].defaultText}\\\``))
    for (const name of Object.keys(watcherOptions)) expect(page).to.include(`\`${name}\``)
  })

  it('property: reads any document, or says what is wrong with it', async () => {
    const names = ['rule', 'conditions', 'identity', 'one', 'many', 'except', 'validity', 'from', 'until', 'sphere']
    const more = ['actions', 'transformations', 'sub-handling', 'provide-services', 'all-services', 'provide-note']
    const name = fc.constantFrom(...names, ...more, 'provide-user-input', 'provide-unknown-attribute', 'other')
    const tag = fc.record({
      name: fc.tuple(fc.constantFrom('cr', 'pr'), name).map((parts) => parts.join(':')),
      attributes: fc.constantFrom('', ' id="a"', ' domain="b"', ' value="c"', ' ns="d" name="e"'),
      text: fc.constantFrom('', 'true', 'allow', 'full', '2026-01-01T00:00:00Z', 'nonsense'),
    })
    const around = (inside: fc.Arbitrary<string>): fc.Arbitrary<string> =>
      fc
        .tuple(tag, fc.array(inside, { maxLength: 3 }))
        .map(([it, texts]) => `<${it.name}${it.attributes}>${it.text}${texts.join('')}</${it.name}>`)
    const rules = fc.array(around(around(around(fc.constant('')))), { maxLength: 4 })
    let read = 0
    await fc.assert(
      fc.asyncProperty(rules, async (inside) => {
        const text = ruleset({}).replace(
          /<cr:rule .*<\/cr:rule>/,
          inside.join('').replaceAll('<cr:rule>', '<cr:rule id="x">'),
        )
        try {
          const document = readRuleset(text)
          read++
          const said = granted(document, circumstances())
          if (said.transformations) viewOf(said.transformations)
        } catch (error) {
          if (!(error instanceof RulesFault)) throw error
          expect(error.message).not.to.equal('')
        }
      }),
      { numRuns: 500 },
    )
    expect(read).to.be.greaterThan(20)
  })

  it('knows rules without conditions, actions and transformations', async () => {
    const text =
      '<ruleset xmlns="urn:ietf:params:xml:ns:common-policy"><rule id="a"/><rule id="b"><transformations/></rule></ruleset>'
    const saysNothing = { conditions: [], handling: undefined, transformations: undefined }
    expect(readRuleset(text).rules).to.deep.equal([
      { id: 'a', ...saysNothing },
      { id: 'b', ...saysNothing },
    ])
  })
})

describe('rules: many documents', () => {
  it('are read while other things go on', async () => {
    const book = new RulesBook(new Log('error').logger('rules'), (name) => name)
    const names = Array.from({ length: 2000 }, (_, at) => String(at))
    let turns = 0
    let turn = setImmediate(function next() {
      turns++
      turn = setImmediate(next)
    })
    const text = ruleset({ conditions: one(...names.slice(0, 20)), handling: 'allow' })
    await book.fill(
      'table',
      names.map((name) => [name, { text, place: 'table' }] as const),
    )
    clearImmediate(turn)
    expect(turns).to.be.above(2)
    expect(book.all.length).to.equal(2000)
  })
})

describe('rules: who is meant', () => {
  it('is read with the document, and not anew for each watcher', () => {
    const inside = '<cr:one id="pres:101@PBX.example;user=phone"/><cr:many><cr:except id="Bob"/></cr:many>'
    const [rule] = readRuleset(ruleset({ conditions: `<cr:identity>${inside}</cr:identity>`, handling: 'allow' })).rules
    const everybody = { kind: 'many', domain: undefined, exceptDomains: [] }
    expect(rule?.conditions).to.deep.equal([
      {
        kind: 'identity',
        anyOf: [
          { kind: 'one', user: '101', host: 'pbx.example' },
          { ...everybody, except: [{ user: 'Bob', host: '' }] },
        ],
      },
    ])
  })

  const identity = (inside: string): string => `<cr:identity>${inside}</cr:identity>`
  const period = (from: string, until: string): string => `<cr:from>${from}</cr:from><cr:until>${until}</cr:until>`
  const PAST = period('2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z')
  const PRESENT = period('2026-11-21T13:00:00+01:00', '2026-12-01T00:00:00Z')

  for (const [what, conditions, holds, more] of [
    ['no condition', '', true, {}],
    ['its own name', one('sip:101@pbx.example'), true, {}],
    ['its name in another scheme', one('pres:101@pbx.example'), true, {}],
    ['its name without a scheme', one('101@pbx.example'), true, {}],
    ['its name alone', one('101'), true, {}],
    ['its name alone, with capitals', one('Alice'), true, { users: ['Alice'] }],
    ['its name alone, in a scheme and with a parameter', one('SIP:Alice;user=x'), true, { users: ['Alice'] }],
    ['its name with blanks around it', one(' sip:101@pbx.example\n'), true, {}],
    [
      'everybody but it, with blanks around it, or without a domain',
      identity('<cr:many domain=" pbx.example "><cr:except id=" sip:101@x "/><cr:except id="Bob"/></cr:many>'),
      false,
      {},
    ],
    [
      'everybody but it by its name alone',
      identity('<cr:many><cr:except id="Bob"/></cr:many>'),
      false,
      { users: ['Bob'] },
    ],
    ['its name with a parameter', one('sips:101@pbx.example;transport=tls'), true, {}],
    ['another name', one('sip:102@pbx.example'), false, {}],
    ['one of several', one('sip:102@a', 'sip:101@a'), true, {}],
    ['an AOR of its own', one('sip:alice@a'), true, { users: ['101', 'alice'] }],
    ['the name in a domain that is ours', one('sip:101@ours.example'), true, { domains: ['ours.example'] }],
    ['the name in a domain that is not', one('sip:101@other.example'), false, { domains: ['ours.example'] }],
    ['the name, whatever host From has', one('sip:101@pbx.example'), true, { domain: 'evil.example' }],
    ['a telephone number', one('tel:+49301234'), true, { users: ['+49301234'] }],
    ['a number of the house', one('tel:101'), true, {}],
    ['nobody', identity(''), false, {}],
    ['everybody', identity('<cr:many/>'), true, {}],
    ['everybody of a domain', identity('<cr:many domain="PBX.example"/>'), true, {}],
    [
      'everybody of a domain, whatever host From has',
      identity('<cr:many domain="pbx.example"/>'),
      true,
      { domain: 'evil.example' },
    ],
    ['everybody of ours', identity('<cr:many domain="A"/>'), true, { domains: ['a'], domain: 'evil' }],
    ['everybody of what is not ours', identity('<cr:many domain="b"/>'), false, { domains: ['a'], domain: 'a' }],
    [
      'everybody of a claimed domain that is not ours',
      identity('<cr:many domain="b"/>'),
      false,
      { domains: ['a'], domain: 'b' },
    ],
    ['everybody but it', identity('<cr:many><cr:except id="sip:101@x"/></cr:many>'), false, {}],
    ['everybody but another', identity('<cr:many><cr:except id="sip:102@x"/></cr:many>'), true, {}],
    ['everybody but a domain', identity('<cr:many><cr:except domain="pbx.example"/></cr:many>'), false, {}],
    [
      'everybody but a domain, whatever host From has',
      identity('<cr:many><cr:except domain="pbx.example"/></cr:many>'),
      false,
      { domain: 'evil.example' },
    ],
    [
      'everybody but a domain that is not ours',
      identity('<cr:many><cr:except domain="b"/></cr:many>'),
      true,
      { domains: ['a'], domain: 'b' },
    ],
    [
      'everybody but it, or it by name',
      identity('<cr:many><cr:except id="sip:101@x"/></cr:many><cr:one id="sip:101@x"/>'),
      true,
      {},
    ],
    ['a condition nobody knows', '<x:moon xmlns:x="urn:x"/>', false, {}],
    ['two conditions of which one fails', `${one('sip:101@a')}<x:moon xmlns:x="urn:x"/>`, false, {}],
    ['a sphere it is in', '<cr:sphere value="work"/>', true, { spheres: ['home', 'work'] }],
    ['a sphere it is not in', '<cr:sphere value="work"/>', false, { spheres: ['home'] }],
    ['a time that is past', `<cr:validity>${PAST}</cr:validity>`, false, {}],
    ['a time that is now, in another zone', `<cr:validity>${PRESENT}</cr:validity>`, true, {}],
    ['several times', `<cr:validity>${PAST}${PRESENT}</cr:validity>`, true, {}],
  ] as const) {
    it(`${holds ? 'matches' : 'does not match'} ${what}`, async () => {
      const document = readRuleset(ruleset({ conditions, handling: 'allow' }))
      const given = 'users' in more ? { ...more, users: [...more.users] } : more
      expect(granted(document, circumstances(given)).rules).to.deep.equal(holds ? ['r1'] : [])
    })
  }

  it('means no guest with any identity', async () => {
    const document = readRuleset(
      ruleset({ conditions: identity('<cr:many/>'), handling: 'allow' }, { handling: 'confirm' }),
    )
    const guest = { authenticated: false, users: ['anonymous'], domain: 'a', asserted: false }
    expect(granted(document, circumstances({ requester: guest })).rules).to.deep.equal(['r2'])
  })

  it('takes what a trusted endpoint asserts whole', async () => {
    const document = readRuleset(ruleset({ conditions: one('sip:alice@other.example'), handling: 'allow' }))
    const asserted = (domain: string): Circumstances =>
      circumstances({ requester: { authenticated: true, users: ['alice'], domain, asserted: true } })
    expect(granted(document, asserted('other.example')).rules).to.deep.equal(['r1'])
    expect(granted(document, asserted('third.example')).rules).to.deep.equal([])
    const ofDomain = readRuleset(
      ruleset({ conditions: identity('<cr:many domain="other.example"/>'), handling: 'allow' }),
    )
    expect(granted(ofDomain, asserted('other.example')).rules).to.deep.equal(['r1'])
    expect(granted(ofDomain, asserted('third.example')).rules).to.deep.equal([])
  })

  it('grants the most that any matching rule does, and the sum of what they show', async () => {
    const text = ruleset(
      { handling: 'block', shown: '<pr:provide-note>true</pr:provide-note>' },
      {
        handling: 'polite-block',
        shown: '<pr:provide-mood>true</pr:provide-mood><pr:provide-user-input>bare</pr:provide-user-input>',
      },
      { handling: 'confirm', bare: true },
      { handling: 'allow', conditions: one('sip:nobody@a') },
    )
    const { rules, handling, transformations } = granted(readRuleset(text), circumstances())
    expect(rules).to.deep.equal(['r1', 'r2', 'r3'])
    expect(handling).to.equal('polite-block')
    expect([...(transformations?.attributes ?? [])]).to.deep.equal(['note', 'mood'])
    expect(transformations?.userInput).to.equal('bare')
  })

  it('ranks block under confirm under polite-block under allow', async () => {
    const order = ['block', 'confirm', 'polite-block', 'allow'] as const
    for (const [at, low] of order.entries())
      for (const high of order.slice(at)) {
        const said: SubHandling | undefined = granted(
          readRuleset(ruleset({ handling: high }, { handling: low })),
          circumstances(),
        ).handling
        expect(said).to.equal(high)
      }
  })

  it('knows when the clock changes a decision, and whether spheres do', async () => {
    const document = readRuleset(ruleset({ conditions: `<cr:validity>${PAST}${PRESENT}</cr:validity>` }))
    expect(nextChange(document, NOW - 1)).to.equal(NOW)
    expect(nextChange(document, NOW)).to.equal(Date.parse('2026-12-01T00:00:00Z') + 1)
    expect(nextChange(document, Date.parse('2027-01-01T00:00:00Z'))).to.equal(undefined)
    expect(hasSpheres(document)).to.equal(false)
  })
})

describe('rules: what is shown (RFC 5025 3.3)', () => {
  const presence = element(
    'presence',
    {
      xmlns: 'urn:ietf:params:xml:ns:pidf',
      'xmlns:dm': 'urn:ietf:params:xml:ns:pidf:data-model',
      'xmlns:rpid': 'urn:ietf:params:xml:ns:pidf:rpid',
      entity: 'sip:a@b',
    },
    [
      element('tuple', { id: 't1' }, [
        element('status', {}, [element('basic', {}, 'open'), element('x:hat', { 'xmlns:x': 'urn:x' }, 'red')]),
        element('rpid:class', {}, 'work'),
        element('dm:deviceID', {}, 'urn:d:1'),
        element('rpid:user-input', { 'idle-threshold': '600', 'last-input': 'then' }, 'idle'),
        element('contact', {}, 'sip:a@work'),
        element('note', {}, 'tuple note'),
        element('timestamp', {}, 'now'),
      ]),
      element('tuple', { id: 't2' }, [
        element('status', {}, [element('basic', {}, 'closed')]),
        element('contact', {}, 'mailto:a@b'),
      ]),
      element('note', {}, 'top note'),
      element('dm:person', { id: 'p' }, [
        element('rpid:activities', {}, [element('rpid:away')]),
        element('rpid:mood', {}, [element('rpid:sad')]),
        element('rpid:status-icon', {}, 'http://i'),
        element('dm:note', {}, 'person note'),
      ]),
      element('dm:device', { id: 'd' }, [element('dm:deviceID', {}, 'urn:d:1')]),
    ],
  )
  const whole = printXml(presence)

  async function shown(transformations: string): Promise<string> {
    const rule = readRuleset(ruleset({ shown: transformations })).rules[0]
    if (!rule?.transformations) throw new Error('no transformations')
    const view = viewOf(rule.transformations)
    if (!view) return 'everything'
    const text = printXml(view.filter(presence, 'application/pidf+xml') as typeof presence)
    expect(printXml(presence), 'the document itself').to.equal(whole)
    const words = [
      'id="t1"', 'id="t2"', 'open', 'hat', 'class', 'deviceID', 'idle-threshold', 'last-input', 'user-input', 'tuple note',
      'timestamp', 'top note', 'id="p"', 'activities', 'mood', 'status-icon', 'person note', 'id="d"',
    ] // biome-ignore format: a table
    return words.filter((word) => text.includes(word)).join(' ')
  }
  const services = (inside: string): string => `<pr:provide-services>${inside}</pr:provide-services>`
  const persons = '<pr:provide-persons><pr:all-persons/></pr:provide-persons>'
  const provide = (name: string, value = 'true'): string => `<pr:provide-${name}>${value}</pr:provide-${name}>`
  const T1 = 'id="t1" open timestamp'

  for (const [what, transformations, words] of [
    ['everything', ALL_SHOWN, 'everything'],
    ['nothing', services(''), ''],
    ['all services', services('<pr:all-services/>'), 'id="t1" id="t2" open timestamp'],
    [
      'nothing that is said to be false where nothing is to be said',
      `${services('<pr:all-services>false</pr:all-services>')}<pr:provide-persons><pr:all-persons>0</pr:all-persons></pr:provide-persons>${provide('all-attributes', 'false')}`,
      '',
    ],
    [
      'all services in more words',
      services('<pr:all-services>true</pr:all-services>'),
      'id="t1" id="t2" open timestamp',
    ],
    ['services of a class', services('<pr:class>work</pr:class>'), T1],
    ['a service by its occurrence', services('<pr:occurrence-id>t2</pr:occurrence-id>'), 'id="t2"'],
    ['a service by its URI', services('<pr:service-uri>sip:a@work</pr:service-uri>'), T1],
    ['a service by another way to write its URI', services('<pr:service-uri>SIP:%61@WORK;x=y</pr:service-uri>'), T1],
    ['no service by the URI of another user', services('<pr:service-uri>sip:A@work</pr:service-uri>'), ''],
    ['services of a scheme', services('<pr:service-uri-scheme>mailto</pr:service-uri-scheme>'), 'id="t2"'],
    ['services of a scheme, large or small', services('<pr:service-uri-scheme>SIP</pr:service-uri-scheme>'), T1],
    ['persons', persons, 'id="p"'],
    ['devices by id', '<pr:provide-devices><pr:deviceID>urn:d:1</pr:deviceID></pr:provide-devices>', 'deviceID id="d"'],
    ['notes', persons + provide('note'), 'top note id="p" person note'],
    ['activities', persons + provide('activities'), 'id="p" activities'],
    ['moods not', persons + provide('mood', 'false'), 'id="p"'],
    ['status icons', persons + provide('status-icon', '1'), 'id="p" status-icon'],
    ['the class', services('<pr:class>work</pr:class>') + provide('class'), 'id="t1" open class timestamp'],
    [
      'the device of a service',
      services('<pr:class>work</pr:class>') + provide('deviceID'),
      'id="t1" open deviceID timestamp',
    ],
    [
      'that there is input',
      services('<pr:class>work</pr:class>') + provide('user-input', 'bare'),
      'id="t1" open user-input timestamp',
    ],
    [
      'how long there is none',
      services('<pr:class>work</pr:class>') + provide('user-input', 'thresholds'),
      'id="t1" open idle-threshold user-input timestamp',
    ],
    [
      'all of the input',
      services('<pr:class>work</pr:class>') + provide('user-input', 'full'),
      'id="t1" open idle-threshold last-input user-input timestamp',
    ],
    [
      'what nobody here knows, by name',
      `${services('<pr:class>work</pr:class>')}<pr:provide-unknown-attribute name="hat" ns="urn:x">true</pr:provide-unknown-attribute>`,
      'id="t1" open hat timestamp',
    ],
    [
      'all attributes of persons',
      `${persons}<pr:provide-all-attributes/>`,
      'top note id="p" activities mood status-icon person note',
    ],
  ] as const) {
    it(`shows ${what}`, async () => expect(await shown(transformations)).to.equal(words))
  }

  it('shows bodies that have no parts only to those who see what they tell', async () => {
    const shows = async (transformations: string): Promise<string> => {
      const rule = readRuleset(ruleset({ shown: transformations })).rules[0]
      const view = rule?.transformations && viewOf(rule.transformations)
      return ['pidf+xml', 'xpidf+xml', 'cpim-pidf+xml', 'dialog-info+xml']
        .map((type) => view?.shows(`application/${type}`) ?? 'all')
        .join(' ')
    }
    expect(await shows(services('<pr:all-services/>'))).to.equal('part nothing nothing nothing')
    const availability = services('<pr:all-services/>') + provide('activities')
    expect(await shows(availability + persons)).to.equal('part all all nothing')
    // Activities are those of persons (RFC 5025 3.3.2): who sees none, or some of them, is not told what they do.
    expect(await shows(availability)).to.equal('part nothing nothing nothing')
    const some = '<pr:provide-persons><pr:class>work</pr:class></pr:provide-persons>'
    expect(await shows(availability + some)).to.equal('part nothing nothing nothing')
    const everything = `${services('<pr:all-services/>')}<pr:provide-all-attributes/>`
    expect(await shows(everything)).to.equal('part nothing nothing all')
    expect(await shows(everything + persons)).to.equal('part all all all')
  })

  it('has one key for what shows the same, and others for what does not', async () => {
    const key = async (shownThere: string): Promise<string | undefined> => {
      const rule = readRuleset(ruleset({ shown: shownThere })).rules[0]
      return rule?.transformations && viewOf(rule.transformations)?.key
    }
    expect(await key(provide('note') + provide('mood'))).to.equal(await key(provide('mood') + provide('note')))
    expect(await key(provide('note'))).not.to.equal(await key(provide('mood')))
    expect(await key(persons)).not.to.equal(await key(services('<pr:all-services/>')))
  })
})

describe('rules: decisions', () => {
  const clock = Date.now

  afterEach(() => {
    Date.now = clock
  })

  it('end with their period also where the clock was put forward, or the machine stood still', async () => {
    const at = (time: number): string => new Date(time).toISOString()
    const period = `<cr:from>${at(clock() - 1000)}</cr:from><cr:until>${at(clock() + 600_000)}</cr:until>`
    const text = ruleset({ conditions: `<cr:validity>${period}</cr:validity>`, handling: 'allow' })
    const book = new RulesBook(new Log('error').logger('rules'), (name) => name)
    await book.fill('table', new Map([['200', { text, place: 'table' }]]))
    const pubsub = { settings: defaultsOf(pubsubOptions), hasUnread: () => false, publications: () => expect.fail() }
    const nothing = (): Promise<void> => Promise.resolve()
    const authorizer = new RulesAuthorizer(pubsub, book, { all: nothing, put: nothing }, 5)
    const endpoint = { ...defaultsOf(endpointOptions), id: '100', hintContext: 'default' }
    const asked = { event: 'presence', resource: '200', endpoint, watcher: 'sip:100@pbx.example' }
    const decided: SubHandling[] = []
    const stop = authorizer.authorize(asked)?.watch({ value: ({ handling }) => decided.push(handling) })
    Date.now = () => clock() + 700_000
    await until('the end of the period', () => decided.length === 2)
    expect(decided).to.deep.equal(['allow', 'block'])
    await stop?.()
    authorizer.close()
  })
})
