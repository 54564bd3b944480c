/** Dialog information (RFC 4235) as a device state: full documents replace what was known, partial ones add to it. */
import { asInRfc, dialogNodes, dialogStateOf, isHeld, readDialogInfo } from '../../core/documents/dialog-info.ts'
import { aggregateDeviceStates, type DeviceState } from '../../core/states/devices.ts'
import type { XmlNode } from '../../core/xml.ts'
import type { Reader, Reading } from './events.ts'

/** Dialogs that are remembered of one resource; a peer that names more is not believed. */
const MOST_DIALOGS = 1000

export class DialogReader implements Reader<DeviceState> {
  /** Version of the last document that counted; undefined before the first full one. */
  #version: number | undefined
  /** By dialog id; none that is terminated. */
  #dialogs = new Map<string, DeviceState>()

  read(text: string): Reading<DeviceState> {
    const { root, fault } = readDialogInfo(asInRfc(text))
    if (fault !== undefined) return { fault }
    const nodes = dialogNodes(root)
    if (nodes.length > MOST_DIALOGS) return { fault: 'Too Many Dialogs' }
    const version = Number(root.attribute('version'))
    return root.attribute('state') === 'full' ? this.#full(version, nodes) : this.#partial(version, nodes)
  }

  /** The CSeq has said that it is the newest: a notifier that was restarted may count from the beginning. */
  #full(version: number, nodes: readonly XmlNode[]): Reading<DeviceState> {
    this.#version = version
    this.#dialogs = new Map()
    return this.#with(nodes)
  }

  /** RFC 4235 4.3: one that is old says nothing, and one that is too new shows that another was lost. */
  #partial(version: number, nodes: readonly XmlNode[]): Reading<DeviceState> {
    if (this.#version === undefined) return { incomplete: 'a partial document came first' }
    if (version <= this.#version) return undefined
    if (version > this.#version + 1) {
      const why = `version ${version} followed ${this.#version}`
      this.#version = undefined
      return { incomplete: why }
    }
    this.#version = version
    return this.#with(nodes)
  }

  #with(nodes: readonly XmlNode[]): Reading<DeviceState> {
    for (const node of nodes) {
      const id = node.attribute('id') ?? ''
      const state = stateOf(node)
      if (state === 'NOT_INUSE') this.#dialogs.delete(id)
      else if (this.#dialogs.size < MOST_DIALOGS || this.#dialogs.has(id)) this.#dialogs.set(id, state)
    }
    return { state: aggregateDeviceStates(['NOT_INUSE', ...this.#dialogs.values()]) }
  }
}

/** A call that comes in rings; one that goes out is in use from its first moment, as in Asterisk. */
function stateOf(dialog: XmlNode): DeviceState {
  const state = dialogStateOf(dialog)
  if (state === undefined || state === 'terminated') return 'NOT_INUSE'
  if (state === 'confirmed') return isHeld(dialog) ? 'ONHOLD' : 'INUSE'
  return dialog.attribute('direction') === 'initiator' ? 'INUSE' : 'RINGING'
}
