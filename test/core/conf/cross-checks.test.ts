import { X509Certificate } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { readConfiguration } from '../../../core/conf/configuration.ts'
import { Certificates } from '../../support/certificates.ts'
import { asNobody } from '../../support/tools.ts'

describe('what no single file shows to be wrong', () => {
  let directory: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'cross-'))
  })
  afterEach(() => rmSync(directory, { recursive: true }))
  const reading = (files: Readonly<Record<string, string>>): ReturnType<typeof readConfiguration> => {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(join(directory, name, '..'), { recursive: true })
      writeFileSync(join(directory, name), text)
    }
    return readConfiguration(directory, [], ['res_lamp', 'res_shade'])
  }
  const messages = (errors: readonly Error[]): string[] =>
    errors.map(({ message }) => message.replaceAll(directory, 'DIR'))
  const faults = (files: Readonly<Record<string, string>>): string[] => messages(reading(files).problems)

  it('store, socket and log file have paths of their own', () => {
    const text = '[store]\npath = x\n[console]\nsocket = more/../x\nlogfile = voicemail.conf\n'
    expect(faults({ 'lamplighter.conf': text, 'voicemail.conf': '' })).to.deep.equal([
      "DIR/lamplighter.conf:4: socket = DIR/x is the store, expected a path of its own for the console's socket",
      'DIR/lamplighter.conf:5: logfile = DIR/voicemail.conf is a file of the configuration, expected a path of its own for the log file',
    ])
    expect(faults({ 'lamplighter.conf': '[store]\npath = :memory:\n', 'voicemail.conf': '' })).to.deep.equal([])
  })

  it('store and socket are put into directories that there are', () => {
    const text = '[store]\npath = var/lamps.db\n[console]\nsocket = run/ctl\nlogfile = log/lamps.log\n'
    expect(faults({ 'lamplighter.conf': text })).to.deep.equal([
      'DIR/lamplighter.conf:2: path = DIR/var/lamps.db cannot be made, expected a directory DIR/var',
      'DIR/lamplighter.conf:4: socket = DIR/run/ctl cannot be made, expected a directory DIR/run',
    ])
    expect(faults({ 'lamplighter.conf': text, 'var/x': '', 'run/x': '' })).to.deep.equal([])
    const nothing = '[store]\npath =\n[console]\nsocket = var\n'
    expect(faults({ 'lamplighter.conf': nothing })).to.deep.equal([
      'DIR/lamplighter.conf:2: path = DIR is a directory, expected a file',
      'DIR/lamplighter.conf:4: socket = DIR/var is a directory, expected a file',
    ])
  })

  it('a log file that cannot be made is warned of, as lamps are lit without it', () => {
    const at = (path: string): string[] =>
      messages(reading({ 'lamplighter.conf': `[console]\nlogfile = ${path}\n` }).warnings)
    expect(at('log/lamps.log')).to.deep.equal([
      'DIR/lamplighter.conf:2: logfile = DIR/log/lamps.log cannot be made, expected a directory DIR/log',
    ])
    mkdirSync(join(directory, 'log'))
    expect(at('log/lamps.log')).to.deep.equal([])
    expect(at('log')).to.deep.equal(['DIR/lamplighter.conf:2: logfile = DIR/log is a directory, expected a file'])
  })

  it('included files are not overwritten, either', () => {
    const text = '[store]\npath = more/servers.conf\n#include "more/servers.conf"\n'
    expect(faults({ 'lamplighter.conf': text, 'more/servers.conf': '' })).to.deep.equal([
      'DIR/lamplighter.conf:2: path = DIR/more/servers.conf is a file of the configuration, expected a path of its own for the store',
    ])
  })

  it('a certificate that cannot be used, and one that is not there', () => {
    const tls = (cert: string): string => `[tls]\ntype = transport\nprotocol = tls\nbind = 127.0.0.1:0\n${cert}\n`
    expect(faults({ 'pjsip.conf': tls('cert_file = a.pem'), 'a.pem': 'no certificate' })[0]).to.match(
      /^DIR\/pjsip.conf:1: the certificate or key of \[tls\] cannot be used: /,
    )
    expect(faults({ 'pjsip.conf': tls('cert_file = b.pem') })).to.deep.equal([
      'DIR/pjsip.conf:5: cert_file = b.pem: no such file, expected a PEM file',
    ])
    expect(faults({ 'pjsip.conf': tls('') })).to.deep.equal([
      'DIR/pjsip.conf:1: transport [tls] is tls without cert_file, expected a PEM file',
    ])
  })

  it('a certificate that has expired is warned of, as some phones take it', () => {
    const certificates = new Certificates()
    const { now } = Date
    try {
      const { cert_file, priv_key_file } = certificates.make('pbx')
      const own = `cert_file = ${cert_file}\npriv_key_file = ${priv_key_file}\n`
      const files = { 'pjsip.conf': `[tls]\ntype = transport\nprotocol = tls\nbind = 127.0.0.1:0\n${own}` }
      expect(reading(files).warnings).to.deep.equal([])
      const threeDays = 3 * 24 * 3600_000
      Date.now = () => now() + threeDays
      expect(messages(reading(files).warnings)).to.deep.equal([
        `DIR/pjsip.conf:1: cert_file of [tls] expired on ${new X509Certificate(readFileSync(cert_file)).validTo}, expected a renewed one`,
      ])
      expect(faults(files)).to.deep.equal([])
    } finally {
      Date.now = now
      certificates.remove()
    }
  })

  it("Asterisk's options that keep strangers out, and would not here", () => {
    const certificates = new Certificates()
    const { cert_file, priv_key_file } = certificates.make('pbx')
    const own = `cert_file = ${cert_file}\npriv_key_file = ${priv_key_file}\n`
    const at = (...lines: string[]): string[] => {
      const text = `[tls]\ntype = transport\nprotocol = tls\nbind = 127.0.0.1:0\n${own}${lines.join('\n')}\n`
      const { problems, warnings } = reading({ 'pjsip.conf': text })
      return messages([...problems, ...warnings])
    }
    try {
      expect(at('require_client_cert = yes', 'ca_list_path = /etc/ssl/certs')).to.deep.equal([
        'DIR/pjsip.conf:1: require_client_cert of [tls] asks nobody for a certificate, expected verify_client = yes',
      ])
      expect(at('require_client_cert = yes', 'verify_client = yes')).to.deep.equal([])
      expect(at('verify_client = yes', 'ca_list_path = /etc/ssl/certs')).to.deep.equal([
        'DIR/pjsip.conf:1: ca_list_path of [tls] is not used, expected ca_list_file with all certificates in it',
      ])
      expect(at('cipher = ECDHE-ECDSA-AES128-SHA, NONE')).to.deep.equal([])
      expect(at('cipher = 0xC02C')).to.deep.equal([
        "DIR/pjsip.conf:1: cipher = '0xC02C' in [tls] is not valid, expected names of openssl ciphers with commas between them",
      ])
    } finally {
      certificates.remove()
    }
  })

  it('a list of authorities without one in it, with which no peer is trusted', () => {
    const certificates = new Certificates()
    const { cert_file, priv_key_file } = certificates.make('pbx')
    try {
      const own = `cert_file = ${cert_file}\npriv_key_file = ${priv_key_file}\n`
      const at = (ca: string, asked = 'verify_client = yes'): string[] =>
        faults({
          'pjsip.conf': `[tls]\ntype = transport\nprotocol = tls\nbind = 127.0.0.1:0\n${own}${asked}\nca_list_file = ${ca}\n`,
        })
      expect(at(cert_file)).to.deep.equal([])
      writeFileSync(join(directory, 'empty.pem'), '')
      const der = new X509Certificate(readFileSync(cert_file)).raw
      writeFileSync(join(directory, 'ca.der'), der)
      for (const ca of [priv_key_file, 'empty.pem', 'ca.der'])
        expect(at(ca), ca).to.deep.equal([
          'DIR/pjsip.conf:1: ca_list_file of [tls] has no certificate in it, expected a PEM file',
        ])
      expect(at('empty.pem', 'verify_server = yes')).to.have.length(1)
      expect(at('empty.pem', ''), 'where nobody is checked').to.deep.equal([])
    } finally {
      certificates.remove()
    }
  })

  it("what stands where this user may not look, as a certificate below letsencrypt's directory or Asterisk's files", async () => {
    const tls = '[tls]\ntype = transport\nprotocol = tls\nbind = 127.0.0.1:0\ncert_file = closed/live/a.pem\n'
    mkdirSync(join(directory, 'closed/live'), { recursive: true })
    const files = {
      'lamplighter.conf': '[general]\ncompat = rcf\nasterisk_config = closed/live\n',
      'pjsip.conf': tls,
      'closed/live/a.pem': '',
      'closed/live/pjsip.conf': '',
    }
    for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
    chmodSync(directory, 0o755)
    chmodSync(join(directory, 'closed'), 0o600)
    expect(messages((await asNobody(() => readConfiguration(directory))).problems)).to.deep.equal([
      "DIR/lamplighter.conf:2: compat = 'rcf' is not valid, expected rfc or asterisk",
      "DIR/lamplighter.conf:3: asterisk_config = closed/live cannot be looked at (EACCES: permission denied, stat 'DIR/closed/live'), expected the directory of Asterisk's configuration",
      "DIR/pjsip.conf:1: cert_file of [tls] cannot be read: EACCES: permission denied, open 'DIR/closed/live/a.pem'",
    ])
    expect(messages((await asNobody(() => readConfiguration(join(directory, 'closed/live')))).problems)).to.deep.equal([
      "DIR/closed/live cannot be looked at (EACCES: permission denied, stat 'DIR/closed/live'), expected a configuration directory",
    ])
    chmodSync(join(directory, 'closed'), 0o700)
  })

  it('modules that there are not', () => {
    const text = '[modules]\nload = res_lamp.so\nnoload = res_shad\nrequire = app_dial\n'
    expect(faults({ 'modules.conf': text })).to.deep.equal([
      "DIR/modules.conf:3: noload = res_shad: there is no such module, did you mean 'res_shade'?",
      'DIR/modules.conf:4: require = app_dial: there is no such module, expected one of: res_lamp, res_shade',
    ])
  })
})
