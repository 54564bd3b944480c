/** The half of xml2js that reads. The whole of it loads thirty files more, which write. */
declare module 'xml2js/lib/parser.js' {
  export { Parser } from 'xml2js'
}
