/**
 * The demo: a PBX, a story that happens on it, and phones that watch it through Lamplighter.
 *
 *     const demo = await playDemo({ out: process.stdout })          // the PBX serves ARI
 *     const server = await startServer({ directory: demo.directory … })
 *     await demo.openPhones()                                       // the phones subscribe and the story begins
 */
import { basename, join, relative } from 'node:path'
import { readConfigFile } from '../conf/parser.ts'
import { type ConfigSection, lastValue } from '../config.ts'
import { type Logger, reasonOf } from '../log.ts'
import type { LampSpec } from './lamp.ts'
import { type Screen, showLamps } from './lamps.ts'
import { type DemoPbx, startDemoPbx } from './pbx.ts'
import type { PhoneTarget } from './phone-agent.ts'
import { DemoPhone, type LampChange } from './phones.ts'
import { demoDirectory, prepareOwnCopy } from './place.ts'
import { readPbxData } from './read-data.ts'
import { type Story, startStory } from './story.ts'

export interface DemoOptions {
  /** Configuration to play instead of the one that comes with the package: made as `configs/demo` is. */
  readonly directory?: string
  /** Show no lamps. */
  readonly quiet?: boolean
  readonly out?: Screen
  readonly log?: Logger
  /** 2 is twice as fast as people are. */
  readonly speed?: number
  readonly seed?: number
  /** Hears every change of a lamp, shown or not. */
  readonly onLamp?: (change: LampChange) => void
}

export interface Demo {
  /** What Lamplighter is to be started with. */
  readonly directory: string
  readonly pbx: DemoPbx
  readonly phones: readonly DemoPhone[]
  /** Call it once Lamplighter serves. */
  openPhones(): Promise<void>
  stop(): Promise<void>
}

/** Who watches what. Everybody also watches the own mailbox. */
const WATCHED: Readonly<Record<string, readonly string[]>> = {
  '100': ['101', '102', '103', '104', '105', '800', '600', '701'],
  '101': ['100', '102', '701'],
  '102': ['100', '101', '701'],
  '103': ['100', '104'],
  '104': ['100', '103', '600'],
  '105': ['100', '104'],
}
/** Whose presence is watched, and by whom. */
const PRESENCE_OF: Readonly<Record<string, readonly string[]>> = { '100': ['104'], '105': ['104'] }
/** This one speaks TCP. */
const TCP_PHONE = '105'

/** @throws Error with one clear line where a port is in use or the configuration is not right. */
export async function playDemo(options: DemoOptions = {}): Promise<Demo> {
  const own = demoDirectory()
  const directory = options.directory ?? own
  if (directory === own) await prepareOwnCopy()
  const server = readServer(directory)
  const targets = readTargets(directory)
  const data = readPbxData(join(directory, 'asterisk'))
  const pbx = await startDemoPbx({ ...server, data, log: options.log }).catch((error: unknown) => {
    throw new Error(`${reasonOf(error)} (url in ${join(directory, 'lamplighter.conf')})`)
  })
  for (const { id } of data.auths) pbx.register(id, true)
  const names = new Map(data.hints.map(({ exten, name }) => [exten, name]))
  const nameOf = (number: string): string => names.get(number) || pbx.callerIdOf(number).name
  const about = aboutDemo(data.auths.length, directory)
  const view = showLamps(options.out ?? process.stdout, { quiet: options.quiet, nameOf, about })
  const changed = (change: LampChange): void => {
    view.lamp(change)
    options.onLamp?.(change)
  }
  const phones = data.auths.flatMap(({ id, values }) => {
    const target = targets.find(({ protocol }) => protocol === (id === TCP_PHONE ? 'tcp' : 'udp')) ?? targets[0]
    if (!target) return []
    return new DemoPhone({ user: id, password: values.get('password') ?? '', target, lamps: lampsOf(id) }, changed)
  })
  let story: Story | undefined
  return {
    directory,
    pbx,
    phones,
    openPhones: async () => {
      await Promise.all(phones.map((phone) => phone.open()))
      story = startStory(pbx, { speed: options.speed, seed: options.seed, tell: (sentence) => view.said(sentence) })
    },
    stop: async () => {
      story?.stop()
      await Promise.all(phones.map((phone) => phone.close()))
      view.close()
      await pbx.stop()
    },
  }
}

/** What somebody who sees this for the first time would ask. */
function aboutDemo(phones: number, directory: string): string[] {
  const script = process.argv[1] ?? 'lamplighter'
  const command = basename(script).startsWith('cli.') ? `node ${relative('', script)}` : 'lamplighter'
  // What is of most use goes first: a terminal of 24 lines has no room for all of it below the phones.
  return [
    'Ask it in another terminal, as with core show hints:',
    `${command} -C ${directory} -r`,
    'Beside an Asterisk of yours: README.md, ten lines. Ctrl+C ends the demo.',
    `An office of ${phones} phones on a telephone system of its own. Whatever happens there comes to their lamps by SIP.`,
  ]
}

function lampsOf(phone: string): LampSpec[] {
  return [
    ...(WATCHED[phone] ?? []).map((target): LampSpec => ({ event: 'dialog', target })),
    ...(PRESENCE_OF[phone] ?? []).map((target): LampSpec => ({ event: 'presence', target })),
    { event: 'message-summary', target: phone },
  ]
}

interface ServerAddress {
  readonly host: string
  readonly port: number
  readonly username: string
  readonly password: string
}

/** The PBX listens where Lamplighter will look for it. */
function readServer(directory: string): ServerAddress {
  const section = sectionsOfType(directory, 'lamplighter.conf', 'server')[0]
  const value = (key: string): string => lastValue(section, key)?.value ?? ''
  if (!section || !URL.canParse(value('url'))) throw new Error(`${directory}/lamplighter.conf has no server with a url`)
  const url = new URL(value('url'))
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port || 80),
    username: value('username'),
    password: value('password'),
  }
}

/** The phones go where Lamplighter will listen. */
function readTargets(directory: string): PhoneTarget[] {
  return sectionsOfType(directory, 'pjsip.conf', 'transport').flatMap((section): PhoneTarget[] => {
    const protocol = (lastValue(section, 'protocol')?.value ?? 'udp').toLowerCase()
    const bind = lastValue(section, 'bind')?.value ?? ''
    const colon = bind.lastIndexOf(':')
    const port = Number(bind.slice(colon + 1))
    if ((protocol !== 'udp' && protocol !== 'tcp') || colon < 0 || !Number.isInteger(port)) return []
    return [{ protocol, host: bind.slice(0, colon).replace(/^\[|\]$/g, ''), port }]
  })
}

function sectionsOfType(directory: string, name: string, type: string): ConfigSection[] {
  const { file, problems } = readConfigFile(join(directory, name))
  if (problems[0]) throw problems[0]
  return file.sections.filter((section) => lastValue(section, 'type')?.value.toLowerCase() === type)
}
