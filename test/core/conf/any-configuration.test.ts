import { expect } from 'chai'
import * as fc from 'fast-check'
import { Dialplan } from '../../../core/conf/dialplan.ts'
import { readDialplan } from '../../../core/conf/dialplan-conf.ts'
import { Findings } from '../../../core/conf/findings.ts'
import { readSettings } from '../../../core/conf/lamplighter-conf.ts'
import { readModules } from '../../../core/conf/modules-conf.ts'
import { parseConfig } from '../../../core/conf/parser.ts'
import { PJSIP_OPTIONS, readPjsip } from '../../../core/conf/pjsip-conf.ts'
import { OTHER_OPTIONS, WIZARD_OPTIONS } from '../../../core/conf/pjsip-names.ts'
import { readVoicemail } from '../../../core/conf/voicemail-conf.ts'
import type { ConfigError } from '../../../core/options.ts'

/** What no message may show. */
const SECRET = 'hunter2'

const keys = fc.constantFrom(
  'type',
  'exten',
  'same',
  'include',
  'autoload',
  'require',
  'url',
  'username',
  'endpoint/context',
  'inbound_auth/password',
  ...Object.values(PJSIP_OPTIONS).flatMap((set) => Object.keys(set)),
  ...(OTHER_OPTIONS.endpoint ?? []),
  ...WIZARD_OPTIONS,
)
const values = fc.oneof(
  fc.constantFrom(
    ...Object.keys(PJSIP_OPTIONS),
    'wizard',
    'server',
    'yes',
    '-1',
    '0',
    '[::',
    '1.2.3.4/33',
    'tls',
    '/[/',
    'X: /(/',
  ),
  fc.constantFrom(
    '1,hint,',
    '_[,hint,A/1',
    '_X.,hint,${EXTEN:1}(',
    '1,hint,$[',
    '${DB(x)},hint,A/1',
    '1/2,hint,A/1',
    'hint,A/2&',
    '100',
  ),
  fc.string(),
)
const names = fc.constantFrom('general', 'globals', 'modules', 'store', 'console', '100', 'a', 'zonemessages', '')
const section = fc
  .tuple(names, fc.constantFrom('', '(!)', '(a)', '(+)'), fc.array(fc.tuple(keys, values), { maxLength: 8 }))
  .map(([name, marks, lines]) =>
    [`[${name}]${marks}`, ...lines.map(([key, value]) => `${key} = ${value.replaceAll('\n', ' ')}`)].join('\n'),
  )
const secretLine = fc.constantFrom(
  `password = ${SECRET}`,
  `md5_cred=${SECRET}`,
  `password_digest=MD5:${SECRET}`,
  `inbound_auth/password=${SECRET}`,
  SECRET,
)
const file = fc
  .array(fc.tuple(section, secretLine), { maxLength: 8 })
  .map((sections) => sections.map(([lines, line]) => `${lines}\n${line}`).join('\n'))

describe('any configuration', () => {
  it('is read without throwing, by every reader; every fault has its place, and no secret is in it', () => {
    fc.assert(
      fc.property(file, fc.boolean(), (text, foreign) => {
        const { file: config, problems, notes } = parseConfig(text, '/nowhere/x.conf', { foreign })
        const settings = new Findings()
        readSettings(config, settings)
        const pjsip = readPjsip(
          (['pjsip', 'wizard', 'acl'] as const).map((kind) => ({ kind, file: config, foreign })),
          '/nowhere',
        )
        const dialplan = readDialplan([{ file: config, foreign }], pjsip.hints)
        const voicemail = readVoicemail([{ file: config, foreign }])
        const modules = readModules(config)
        new Dialplan(dialplan.data).lookup('a', '100')
        const all: readonly ConfigError[] = [
          problems,
          notes,
          settings.problems,
          settings.notes,
          pjsip.problems,
          pjsip.notes,
          dialplan.problems,
          dialplan.notes,
          voicemail.problems,
          voicemail.notes,
          modules.problems,
        ].flat()
        for (const { message } of all) {
          expect(message).to.match(/^\/nowhere\/x\.conf:[0-9]+: .+, .+/s)
          expect(message).not.to.contain(SECRET)
        }
      }),
      { numRuns: 500 },
    )
  })
})
