/**
 * Which Lamplighter this is: the version of package.json, and behind it the commit that it was built from, where that is
 * known. Who follows the repository has many commits of one version.
 */
import { existsSync, readFileSync } from 'node:fs'

/** `0.1.0 (1b868611)`; read once, as a build of another commit may take the place of the one that runs. */
export const programVersion = readVersion()

function readVersion(): string {
  const { version } = JSON.parse(readFileSync(packageFile(), 'utf8')) as { version: string }
  const built = new URL('../commit', import.meta.url)
  const commit = existsSync(built) ? readFileSync(built, 'utf8').trim() : ''
  return commit === '' ? version : `${version} (${commit})`
}

/** package.json is beside `core` in the sources, and beside `dist` once built. */
function packageFile(): URL {
  const beside = new URL('../package.json', import.meta.url)
  return existsSync(beside) ? beside : new URL('../../package.json', import.meta.url)
}
