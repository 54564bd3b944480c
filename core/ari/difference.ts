/** Something we believed that Asterisk says otherwise. Texts are for the log. */
export interface Difference {
  /** `PJSIP/100`, `call PJSIP/100-00000001` … */
  readonly what: string
  readonly believed: string
  readonly found: string
  /** Takes Asterisk's word. */
  readonly repair: () => void
}
