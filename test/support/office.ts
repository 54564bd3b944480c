/** The configuration the scenario tests share: four endpoints, hints on PJSIP and Custom: devices, two mailboxes. */

const EXTENSIONS = ['100', '101', '102', '103']

export const PASSWORD = 'lamp-secret'

/** pjsip.conf with a transport per protocol, all on free ports of the loopback. */
function pjsipConf(protocols: readonly ('udp' | 'tcp')[] = ['udp'], port = 0): string {
  const transports = protocols.map(
    (protocol) => `[${protocol}]\ntype = transport\nprotocol = ${protocol}\nbind = 127.0.0.1:${port}\n`,
  )
  const phones = EXTENSIONS.map(
    (exten) => `
[${exten}]
type = endpoint
context = office
auth = ${exten}
aors = ${exten}
[${exten}]
type = auth
auth_type = userpass
username = ${exten}
password = ${PASSWORD}
[${exten}]
type = aor
max_contacts = 5
mailboxes = ${exten}@default
`,
  )
  return [...transports, ...phones].join('\n')
}

export const EXTENSIONS_CONF = `
[office]
exten => _10X,hint,PJSIP/\${EXTEN}&Custom:dnd\${EXTEN},CustomPresence:\${EXTEN}
exten => 200,hint,Custom:door(The door)
exten => 201,hint,Custom:gate
`

/** Files of an instance without an Asterisk: lamps follow what is set at its console. */
export function localOffice(protocols: readonly ('udp' | 'tcp')[] = ['udp'], port = 0): Record<string, string> {
  return {
    'lamplighter.conf': '[general]\n',
    'pjsip.conf': pjsipConf(protocols, port),
    'extensions.conf': EXTENSIONS_CONF,
  }
}

/** Files of an instance beside an Asterisk whose ARI answers at this port. */
export function bridgedOffice(ariPort: number, sipPort = 0): Record<string, string> {
  return {
    ...localOffice(['udp', 'tcp'], sipPort),
    'lamplighter.conf': `[general]\n[pbx1]\ntype = server\nurl = http://127.0.0.1:${ariPort}\nusername = lamp\npassword = lamp\nreconnect_max = 1\nmailbox_interval = 1\n`,
  }
}
