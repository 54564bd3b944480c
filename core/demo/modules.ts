/** The modules the demo PBX says it has loaded. */

const MODULES: ReadonlyMap<string, string> = new Map([
  ['app_dial.so', 'Dialing Application'],
  ['app_stasis.so', 'Stasis dialplan application'],
  ['app_voicemail.so', 'Comedian Mail (Voicemail System)'],
  ['chan_pjsip.so', 'PJSIP Channel Driver'],
  ['func_callerid.so', 'Party ID related dialplan functions (Caller-ID, Connected-line, Redirecting)'],
  ['func_channel.so', 'Channel information dialplan functions'],
  ['func_config.so', 'Asterisk configuration file variable access'],
  ['func_db.so', 'Database (astdb) related dialplan functions'],
  ['func_devstate.so', 'Gets or sets a device state in the dialplan'],
  ['func_dialplan.so', 'Dialplan Context/Extension/Priority Checking Functions'],
  ['func_extstate.so', "Gets an extension's state in the dialplan"],
  ['func_pjsip_aor.so', 'Get information about a PJSIP AOR'],
  ['func_pjsip_endpoint.so', 'Get information about a PJSIP endpoint'],
  ['func_presencestate.so', 'Gets or sets a presence state in the dialplan'],
  ['func_sorcery.so', 'Get a field from a sorcery object'],
  ['func_version.so', 'Get Asterisk Version/Build Info'],
  ['func_vmcount.so', 'Indicator for whether a voice mailbox has messages in a given folder.'],
  ['pbx_config.so', 'Text Extension Configuration'],
  ['res_ari.so', 'Asterisk RESTful Interface'],
  ['res_ari_applications.so', 'RESTful API module - Stasis application resources'],
  ['res_ari_asterisk.so', 'RESTful API module - Asterisk resources'],
  ['res_ari_bridges.so', 'RESTful API module - Bridge resources'],
  ['res_ari_channels.so', 'RESTful API module - Channel resources'],
  ['res_ari_device_states.so', 'RESTful API module - Device state resources'],
  ['res_ari_endpoints.so', 'RESTful API module - Endpoint resources'],
  ['res_ari_events.so', 'RESTful API module - WebSocket resource'],
  ['res_ari_mailboxes.so', 'RESTful API module - Mailboxes resources'],
  ['res_ari_model.so', 'ARI Model validators'],
  ['res_http_websocket.so', 'HTTP WebSocket Support'],
  ['res_mwi_devstate.so', 'MWI Device State Subscriptions'],
  ['res_mwi_external.so', 'Core external MWI resource'],
  ['res_pjsip.so', 'Basic SIP resource'],
  ['res_pjsip_pubsub.so', 'PJSIP event resource'],
  ['res_pjsip_session.so', 'PJSIP Session resource'],
  ['res_stasis.so', 'Stasis application support'],
  ['res_stasis_device_state.so', 'Stasis application device state support'],
  ['res_stasis_mailbox.so', 'Stasis application mailbox support'],
])

/** Those of the voicemail system that is not used: the two exclude each other. */
const ONLY_WITH: ReadonlyMap<string, 'app_voicemail' | 'res_mwi_external'> = new Map([
  ['app_voicemail.so', 'app_voicemail'],
  ['res_mwi_external.so', 'res_mwi_external'],
  ['res_stasis_mailbox.so', 'res_mwi_external'],
  ['res_ari_mailboxes.so', 'res_mwi_external'],
])

export interface ModuleChoice {
  readonly voicemail: 'app_voicemail' | 'res_mwi_external'
  readonly missingModules: readonly string[]
}

export function isLoaded(module: string, { voicemail, missingModules }: ModuleChoice): boolean {
  const needs = ONLY_WITH.get(module)
  return MODULES.has(module) && !missingModules.includes(module) && (needs === undefined || needs === voicemail)
}

export function moduleJson(module: string): Record<string, unknown> {
  return {
    name: module,
    description: MODULES.get(module) ?? '',
    use_count: 0,
    status: 'Running',
    support_level: 'core',
  }
}

export function moduleNames(choice: ModuleChoice): string[] {
  return [...MODULES.keys()].filter((module) => isLoaded(module, choice))
}
