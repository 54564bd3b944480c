/**
 * extconfig.conf of Asterisk → the files whose text Asterisk does not read, because it has them in a database
 * (static realtime: `extensions.conf => sqlite3,general,ast_config`). Families such as `ps_endpoints` are no files.
 */
import type { ConfigEntry, ConfigFile } from '../config.ts'

/** All files at once. */
const EVERY_FILE = 'global'

/** The line of extconfig.conf that takes this file to a database, where one does. */
export function takenToDatabase(file: ConfigFile | undefined, name: string): ConfigEntry | undefined {
  const entries = (file?.sections ?? [])
    .filter((section) => section.name.toLowerCase() === 'settings')
    .flatMap((section) => section.entries)
    .filter(isFirstChoice)
  return [name, EVERY_FILE].map((wanted) => entries.find(({ key }) => key.toLowerCase() === wanted)).find(Boolean)
}

/** `driver,database[,table[,priority]]`: what is read as a file is asked of priority 1 alone, which is that of a line without one. */
function isFirstChoice({ value }: ConfigEntry): boolean {
  const [, driver, database, priority = ''] = /^([^,]+),("[^"]*"|[^,]*)(?:,[^,]*)?(?:,([^,]*))?/.exec(value) ?? []
  return driver !== undefined && database !== undefined && [0, 1].includes(Number.parseInt(priority, 10) || 0)
}
