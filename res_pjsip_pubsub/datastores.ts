/** Named things that modules keep with a subscription or a publication; they go with it. */
import type { Datastores } from './contract.ts'

let made = 0

export class DatastoreMap implements Datastores {
  #values: Map<string, { readonly uid: string; readonly value: unknown }> | undefined

  add(name: string, value: unknown, uid = `ds-${++made}`): string {
    this.#values ??= new Map()
    if (this.#values.has(name)) throw new Error(`this has a datastore ${name} already`)
    this.#values.set(name, { uid, value })
    return uid
  }

  get(name: string): unknown {
    return this.#values?.get(name)?.value
  }

  remove(name: string): boolean {
    return this.#values?.delete(name) ?? false
  }

  clear(): void {
    this.#values = undefined
  }
}
