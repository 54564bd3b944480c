/**
 * The module contract. A loadable module is a file `res_*.ts` in a folder `res_*`:
 *
 *     export default defineModule({
 *       name: 'res_pjsip_mwi_body_generator',
 *       description: 'MWI body generator: application/simple-message-summary',
 *       requires: ['res_pjsip_pubsub'],
 *       load({ core, own }, { res_pjsip_pubsub: pubsub }) {
 *         own(pubsub.bodyGenerator(simpleMessageSummary(core)))
 *       },
 *     })
 *
 * What `load` owns is undone last first when the module is unloaded. Throwing from `load` (a ConfigError for what the
 * operator did wrong) declines the module, and with it whatever requires it.
 */
import type { Core } from './core.ts'
import type { Logger } from './log.ts'
import type { OptionSet, OptionValues } from './options.ts'
import type { Undo } from './scope.ts'

/** The API of each module that has one. A module adds its line by declaration merging, beside its definition. */
// eslint-disable-next-line typescript/no-empty-object-type
export interface ModuleApis {}

export type ModuleName = `res_${string}`
export type ApiOf<N extends string> = N extends keyof ModuleApis ? ModuleApis[N] : undefined
export type Needs<R extends readonly string[]> = { readonly [N in R[number]]: ApiOf<N> }

/** A section of one of our own files, and the options that may stand in it: `pubsub.conf`, `general`. */
export interface ModuleConfig<S extends OptionSet = OptionSet> {
  readonly file: string
  readonly section: string
  readonly set: S
  /** Options that cannot stand as they are beside the others, and why: `is the same as …`. */
  contradictions?(values: OptionValues<S>): readonly (readonly [option: keyof S & string, why: string])[]
  /** Databases that it opens, by the options that name them; a relative path is beside the store. */
  databases?(values: OptionValues<S>): readonly (readonly [option: keyof S & string, path: string])[]
  /** Directories that it reads, by the options that name them. */
  directories?(values: OptionValues<S>): readonly (readonly [option: keyof S & string, path: string])[]
}

export interface ModuleContext {
  readonly core: Core
  readonly log: Logger
  /** Undone when the module is unloaded, last first. */
  readonly own: <U extends Undo>(undo: U) => U
  /** Reads options that the module declares in `config`; throws ConfigError. */
  readonly options: <S extends OptionSet>(declared: ModuleConfig<S>) => OptionValues<S>
}

export interface ModuleDefinition<R extends readonly ModuleName[] = readonly ModuleName[], A = unknown> {
  readonly name: ModuleName
  readonly description: string
  readonly requires?: R
  /** What it reads of our files, so that their faults are found with all others, before anything takes effect. */
  readonly config?: readonly ModuleConfig[]
  load(context: ModuleContext, needs: Needs<R>): A | Promise<A>
  /** All modules are there that the start, reload or command that loads it asks for: who waits for others may go on at once. */
  allLoaded?(api: A): void
  /** New options are read and checked (throwing leaves everything as it was) before any of them takes effect. Absent: nothing to reload. */
  reload?(context: ModuleContext, api: A): void | Promise<void>
}

export function defineModule<const R extends readonly ModuleName[], A = void>(
  definition: ModuleDefinition<R, A>,
): ModuleDefinition<R, A> {
  return definition
}
