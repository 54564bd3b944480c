/** By which one Asterisk is asked. */
import type { Logger } from '../log.ts'
import type { Complaints } from './complaints.ts'
import type { Probe } from './probe.ts'
import type { AriLink } from './supervisor.ts'

export interface AskedBy {
  readonly link: AriLink
  readonly probe: Probe
  readonly complaints: Complaints
  readonly log: Logger
}
