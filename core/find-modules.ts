/** Which modules there are. */
import { readdirSync } from 'node:fs'
import { reasonOf } from './log.ts'
import type { ModuleDefinition, ModuleName } from './module.ts'

const HOUSE = new URL('../', import.meta.url)

/** Stands in for a module whose file cannot be read, or holds another: it declines, and the others are loaded. */
export class UnreadableModule implements ModuleDefinition {
  readonly name: ModuleName
  readonly description = 'Its file cannot be read'
  readonly why: string

  constructor(name: ModuleName, why: string) {
    this.name = name
    this.why = why
  }

  load(): never {
    throw new Error(this.why)
  }
}

/** All modules beside us: files `res_*` in folders `res_*` next to `core`, in the order of their names. */
export async function findModules(root = HOUSE): Promise<ModuleDefinition[]> {
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
  const definitions: ModuleDefinition[] = []
  for (const folder of readdirSync(root)
    .filter((name) => name.startsWith('res_'))
    .sort()) {
    for (const file of readdirSync(new URL(`${folder}/`, root)).sort()) {
      const name = file.slice(0, -extension.length)
      if (!isModuleName(name) || !file.endsWith(extension)) continue
      const path = `${folder}/${file}`
      try {
        const loaded: unknown = await import(new URL(path, root).href)
        definitions.push(definitionIn(loaded, name))
      } catch (error) {
        definitions.push(new UnreadableModule(name, `${path}: ${firstLine(reasonOf(error))}`))
      }
    }
  }
  return definitions
}

/** Loaders add where they looked. */
function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? ''
}

function isModuleName(name: string): name is ModuleName {
  return name.startsWith('res_')
}

function definitionIn(loaded: unknown, name: string): ModuleDefinition {
  const definition = typeof loaded === 'object' && loaded !== null && 'default' in loaded ? loaded.default : undefined
  const isOne = typeof definition === 'object' && definition !== null && 'name' in definition && 'load' in definition
  if (!isOne) throw new Error('expected a module as its default export')
  if (definition.name !== name) throw new Error(`is called ${String(definition.name)} inside, expected ${name}`)
  return definition as unknown as ModuleDefinition
}
