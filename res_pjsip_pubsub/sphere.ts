/** The sphere of a presentity: home, work or whatever it calls the part of its life it is in (RPID, RFC 4480 3.9). */
import { parseXml, type XmlNode } from '../core/xml.ts'

const RPID = 'urn:ietf:params:xml:ns:pidf:rpid'

/** The first one of a presence document; undefined where there is none, or no document. */
export async function sphereOf(pidf: string): Promise<string | undefined> {
  const root = await parseXml(pidf).catch(() => undefined)
  const found = root && find(root)
  if (!found) return undefined
  // RFC 4480: an element such as home or work; RFC 4745 and older publishers write the word as text.
  const [child] = found.children
  const word = child && child.name !== 'note' ? child.name : found.text.trim()
  return word === '' ? undefined : word
}

function find(node: XmlNode): XmlNode | undefined {
  if (node.name === 'sphere' && node.ns === RPID) return node
  for (const child of node.children) {
    const found = find(child)
    if (found) return found
  }
  return undefined
}
