/** The demo PBX's configuration from files in Asterisk's dialect: pjsip.conf, extensions.conf, voicemail.conf. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { readConfigFile } from '../conf/parser.ts'
import { type ConfigFile, type ConfigSection, lastValue } from '../config.ts'
import { mailboxOf, type PbxData, type PbxHint, type PbxObject, splitHintName } from './data.ts'

const NO_CONTEXTS = new Set(['general', 'globals'])

/** @throws ConfigError with file and line for the first thing that is wrong. */
export function readPbxData(directory: string): PbxData {
  const pjsip = read(directory, 'pjsip.conf')
  const contexts = sectionsOf(read(directory, 'extensions.conf'))
  const boxes = sectionsOf(read(directory, 'voicemail.conf'))
  return {
    endpoints: objectsOf(pjsip, 'endpoint'),
    auths: objectsOf(pjsip, 'auth'),
    aors: objectsOf(pjsip, 'aor'),
    hints: contexts.flatMap(hintsIn),
    includes: new Map(contexts.map((context) => [context.name, valuesOf(context, 'include')])),
    mailboxes: boxes.flatMap(({ name, entries }) =>
      entries.map(({ key, value }) => mailboxOf(`${key}@${name}`, value)),
    ),
  }
}

function read(directory: string, name: string): ConfigFile | undefined {
  const path = join(directory, name)
  if (!existsSync(path)) return undefined
  const { file, problems } = readConfigFile(path, { foreign: true })
  if (problems[0]) throw problems[0]
  return file
}

function sectionsOf(file: ConfigFile | undefined): readonly ConfigSection[] {
  return file?.sections.filter(({ name }) => !NO_CONTEXTS.has(name.toLowerCase())) ?? []
}

function objectsOf(file: ConfigFile | undefined, type: string): PbxObject[] {
  return (file?.sections ?? [])
    .filter((section) => lastValue(section, 'type')?.value.toLowerCase() === type)
    .map(({ name, entries }) => ({ id: name, values: new Map(entries.map(({ key, value }) => [key, value])) }))
}

function valuesOf(section: ConfigSection, key: string): string[] {
  return section.entries.filter((entry) => entry.key === key).map(({ value }) => value)
}

/** Of `exten => EXTEN,PRIORITY,APPLICATION` the lines with the priority `hint`; `same =>` goes on with the extension before. */
function hintsIn({ name: context, entries }: ConfigSection): PbxHint[] {
  const hints: PbxHint[] = []
  let last = ''
  for (const { key, value } of entries) {
    if (key !== 'exten' && key !== 'same') continue
    const line = key === 'same' ? `${last},${value}` : value
    const [exten = '', priority = ''] = line.split(',', 2).map((part) => part.trim())
    last = exten
    if (priority !== 'hint') continue
    const rest = line.slice(line.indexOf(',', line.indexOf(',') + 1) + 1)
    hints.push({ context, exten, ...splitHintName(rest) })
  }
  return hints
}
