/** `type = resource_list` of pjsip.conf: several resources that are watched by one subscription (RFC 4662). */
import { integer, list, type OptionValues, options, text, yesno } from './options.ts'

export const resourceListOptions = options({
  event: text('', 'The event whose resources the list holds: presence, dialog or message-summary.', 'an event'),
  list_item: list(
    [],
    'Extensions, for message-summary AORs, names of other lists, and patterns (_1XX) that stand for all there are of them.',
  ),
  full_state: yesno(false, 'Whether each NOTIFY tells of all items, not only of those that changed.'),
  notification_batch_interval: integer(
    0,
    'How long changes are gathered into one NOTIFY, from the first of them; 0 sends at once.',
    { max: 3600000, unit: 'milliseconds' },
  ),
  resource_display_name: yesno(false, 'Whether items are shown with the name of their hint, not with their number.'),
})

export interface ResourceList extends OptionValues<typeof resourceListOptions> {
  readonly id: string
  /** Where its event is written: `pjsip.conf:12`. For people. */
  readonly source: string
}
