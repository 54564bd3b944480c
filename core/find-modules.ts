/** Which modules there are. */
import { readdirSync } from 'node:fs'
import type { ModuleDefinition } from './module.ts'

/** All modules beside us: files `res_*` in folders `res_*` next to `core`, in the order of their names. */
export async function findModules(): Promise<ModuleDefinition[]> {
  const root = new URL('../', import.meta.url)
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
  const definitions: ModuleDefinition[] = []
  for (const folder of readdirSync(root)
    .filter((name) => name.startsWith('res_'))
    .sort()) {
    for (const file of readdirSync(new URL(`${folder}/`, root)).sort()) {
      const name = file.slice(0, -extension.length)
      if (!file.startsWith('res_') || !file.endsWith(extension)) continue
      const loaded: unknown = await import(new URL(`${folder}/${file}`, root).href)
      definitions.push(definitionIn(loaded, name))
    }
  }
  return definitions
}

function definitionIn(loaded: unknown, name: string): ModuleDefinition {
  const definition = typeof loaded === 'object' && loaded !== null && 'default' in loaded ? loaded.default : undefined
  const isOne = typeof definition === 'object' && definition !== null && 'name' in definition && 'load' in definition
  if (!isOne || definition.name !== name) throw new Error(`${name} is no module of that name`)
  return definition as unknown as ModuleDefinition
}
