/** A list of texts that a cell of the store holds as JSON; empty where somebody else wrote it, and it is none. */
export function stringsIn(text: string): string[] {
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? value.map(String) : []
  } catch {
    return []
  }
}
