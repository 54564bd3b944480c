/** Options of pubsub.conf about watchers: who is told of them, and who decides what they see. */
import { choice, commaList, custom, integer, options, splitCommas } from '../../core/options.ts'

export const watcherOptions = options({
  winfo_admins: commaList(
    [],
    'Endpoints that may see who watches anything (presence.winfo and the like); everybody else sees the watchers of its own name and AORs.',
    'names of endpoints with commas between them',
  ),
  waiting_time: integer(
    86400,
    'How long a watcher is remembered whose subscription ended before it was decided on, so that the presentity still learns of it.',
    { max: 2592000, unit: 'seconds' },
  ),
  rules_directory: custom(
    '',
    '',
    'an absolute path',
    readDirectory,
    'Directory of authorization documents, one a presentity (`100.xml`); they go before those of xcap_table.',
  ),
  rules_domains: custom<readonly string[]>(
    [],
    '',
    'domains with commas between them',
    readDomains,
    'Domains whose users are our endpoints, as rules name them; empty takes the user part of every URI for one of ours.',
  ),
  rules_absent: choice(
    ['allow', 'confirm', 'polite-block', 'block'],
    'allow',
    'What holds for the watchers of a presentity without an authorization document; Kamailio has confirm.',
  ),
  rules_unmatched: choice(
    ['block', 'confirm', 'polite-block', 'allow'],
    'block',
    'What holds for a watcher whom no rule of the document is about; RFC 5025 has block, Kamailio confirm.',
  ),
  rules_untransformed: choice(
    ['nothing', 'everything'],
    'nothing',
    'What those see who are allowed by rules without transformations; RFC 5025 has nothing, Kamailio everything.',
  ),
})

function readDirectory(value: string): string {
  if (value !== '' && !value.startsWith('/')) throw new Error('expected an absolute path')
  return value
}

/** In lower case, as a URI that was read has its host (RFC 3261 19.1.4): it is compared with those. */
function readDomains(value: string): readonly string[] {
  return splitCommas(value).map((domain) => domain.toLowerCase())
}
