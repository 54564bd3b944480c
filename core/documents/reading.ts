/** How documents of others are read: either they are what they should be, or there are words for what is wrong. */
import { parseXml, XmlError, type XmlNode } from '../xml.ts'

/** `fault`: for a reason phrase. */
export type DocumentReading =
  | { readonly root: XmlNode; readonly fault?: never }
  | { readonly root?: never; readonly fault: string }

/** `name`: of the kind of document, for the words. `faultOf`: what is wrong with its root; undefined where nothing is. */
export function readDocument(
  text: string,
  name: string,
  faultOf: (root: XmlNode) => string | undefined,
): DocumentReading {
  let root: XmlNode
  try {
    root = parseXml(text)
  } catch (error) {
    if (error instanceof XmlError) return { fault: `${name} Is Not XML` }
    throw error
  }
  const fault = faultOf(root)
  return fault === undefined ? { root } : { fault }
}
