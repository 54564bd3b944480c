/** What Asterisk knows in pjsip.conf and we do not use: accepted and left alone. */
import type { PjsipType } from './pjsip-conf.ts'

/** Object types of Asterisk that mean nothing here. */
export const OTHER_TYPES: ReadonlySet<string> = new Set([
  'contact',
  'domain_alias',
  'phoneprov',
  'registration',
  'subscription_persistence',
])

const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/))

/** Options of Asterisk, by type, that are not among ours. */
export const OTHER_OPTIONS: Readonly<Partial<Record<PjsipType, ReadonlySet<string>>>> = {
  endpoint: words(`
    100rel accept_multiple_sdp_answers accountcode allow allow_overlap allow_transfer allow_unauthenticated_options
    asymmetric_rtp_codec bind_rtp_to_media_address bundle call_group callerid_privacy callerid_tag
    codec_prefs_incoming_answer codec_prefs_incoming_offer codec_prefs_outgoing_answer codec_prefs_outgoing_offer
    connected_line_method contact_user cos_audio cos_video direct_media direct_media_glare_mitigation
    direct_media_method disable_direct_media_on_nat disallow dtls_auto_generate_cert dtls_ca_file dtls_ca_path
    dtls_cert_file dtls_cipher dtls_fingerprint dtls_private_key dtls_rekey dtls_setup dtls_verify dtmf_mode
    fax_detect fax_detect_timeout follow_early_media_fork follow_redirect_methods force_avp g726_non_standard
    geoloc_incoming_call_profile geoloc_outgoing_call_profile ice_support ignore_183_without_sdp inband_progress
    incoming_call_offer_pref language max_audio_streams max_video_streams media_address media_encryption
    media_encryption_optimistic media_use_received_transport message_context moh_passthrough moh_suggest
    named_call_group named_pickup_group one_touch_recording outgoing_call_offer_pref overlap_context
    pickup_group preferred_codec_only record_off_feature record_on_feature redirect_method refer_blind_progress
    rpid_immediate rtcp_mux rtp_engine rtp_ipv6 rtp_keepalive rtp_port_end rtp_port_start rtp_symmetric rtp_timeout
    rtp_timeout_hold sdp_owner sdp_session security_mechanisms security_negotiation send_aoc send_connected_line
    send_diversion send_history_info send_pai send_rpid set_var srtp_tag_32 stir_shaken stir_shaken_profile
    suppress_moh_on_sendonly suppress_q850_reason_headers t38_bind_udptl_to_media_address t38_udptl t38_udptl_ec
    t38_udptl_ipv6 t38_udptl_maxdatagram t38_udptl_nat tenantid timers timers_min_se timers_sess_expires tone_zone
    tos_audio tos_video trust_connected_line trust_id_outbound use_avpf use_ptime user_eq_phone
    webrtc`),
  aor: words('authenticate_qualify outbound_proxy qualify_2xx_only qualify_timeout'),
  auth: words('oauth_clientid oauth_secret refresh_token supported_algorithms_uac'),
  identify: words('match_request_uri'),
  global: words(`
    all_codecs_on_empty_reinvite allow_sending_180_after_183 contact_expiration_check_interval
    default_auth_algorithms_uac default_from_user default_outbound_endpoint disable_multi_domain
    max_initial_qualify_time norefersub regcontext send_contact_status_on_update_registration
    taskprocessor_overload_trigger unidentified_request_prune_interval use_callerid_contact`),
  system: words(`
    accept_multiple_sdp_answers follow_early_media_fork taskpool_auto_increment taskpool_idle_timeout
    taskpool_initial_size taskpool_max_size taskpool_minimum_size threadpool_auto_increment threadpool_idle_timeout
    threadpool_initial_size threadpool_max_size`),
  transport: words(`
    async_operations cos domain external_media_address
    external_signaling_hostname password symmetric_transport tcp_keepalive_enable
    tcp_keepalive_idle_time tcp_keepalive_interval_time tcp_keepalive_probe_count websocket_write_timeout`),
}

/** Options of `type=wizard` itself, beside `endpoint/…`, `aor/…` and the like. */
export const WIZARD_OPTIONS = words(`
  accepts_auth accepts_registrations client_uri_pattern contact_pattern has_hint has_phoneprov hint_application
  hint_context hint_exten outbound_proxy remote_hosts sends_auth sends_line_with_registrations sends_registrations
  server_uri_pattern transport`)
