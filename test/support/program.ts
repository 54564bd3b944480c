/**
 * What node is given to run a Lamplighter of its own process: the built one, as everybody has it, which starts in half the
 * time; the sources where they have changed since.
 */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

const sources = (folder: string): string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).flatMap((file) =>
    file.endsWith('.ts') && !file.endsWith('.d.ts') ? [join(folder, file)] : [],
  )

/** When the build began that .ci/prepare.mjs made last, 0 where there is none. */
const begun = statSync(join(ROOT, 'dist/.built'), { throwIfNoEntry: false })?.mtimeMs ?? 0

const built = readdirSync(ROOT)
  .filter((folder) => folder === 'core' || folder.startsWith('res_'))
  .flatMap(sources)
  .every((file) => statSync(join(ROOT, file)).mtimeMs < begun)

export const PROGRAM: readonly string[] = built
  ? [join(ROOT, 'dist/core/cli.js')]
  : ['--import', 'tsx', join(ROOT, 'core/cli.ts')]
