/** Authorization documents for tests. */

export const ALL_SHOWN =
  '<pr:provide-services><pr:all-services/></pr:provide-services><pr:provide-persons><pr:all-persons/></pr:provide-persons>' +
  '<pr:provide-devices><pr:all-devices/></pr:provide-devices><pr:provide-all-attributes/>'

interface RuleParts {
  readonly conditions?: string
  readonly handling?: string
  /** Default: everything. Undefined with `bare` leaves the element out. */
  readonly shown?: string
  readonly bare?: boolean
}

export function ruleset(...rules: readonly RuleParts[]): string {
  const texts = rules.map(({ conditions = '', handling, shown = ALL_SHOWN, bare = false }, at) => {
    const action = handling === undefined ? '' : `<pr:sub-handling>${handling}</pr:sub-handling>`
    const transformations = bare ? '' : `<cr:transformations>${shown}</cr:transformations>`
    return `<cr:rule id="r${at + 1}"><cr:conditions>${conditions}</cr:conditions><cr:actions>${action}</cr:actions>${transformations}</cr:rule>`
  })
  return (
    '<?xml version="1.0" encoding="UTF-8"?>' +
    '<cr:ruleset xmlns:cr="urn:ietf:params:xml:ns:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules">' +
    `${texts.join('')}</cr:ruleset>`
  )
}

export function one(...ids: readonly string[]): string {
  return `<cr:identity>${ids.map((id) => `<cr:one id="${id}"/>`).join('')}</cr:identity>`
}
