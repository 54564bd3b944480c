// What `npm start` and `npm test` need on a fresh machine: `node .ci/prepare.mjs build` or `... test`.
// Plain JavaScript: it runs before anything is installed. What is there already is left alone.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
process.chdir(root)

const run = (command, args, options = {}) => {
  const { status, error } = spawnSync(command, args, { stdio: ['ignore', 2, 2], ...options })
  if (error || status !== 0) {
    console.error(`${command} ${args.join(' ')} failed${error ? `: ${error.message}` : ''}`)
    process.exit(status || 1)
  }
}

// npm keeps a copy of the lock file it installed from, with the top entry left out.
const installed = () => {
  const wanted = JSON.parse(readFileSync('package-lock.json', 'utf8')).packages
  const present = 'node_modules/.package-lock.json'
  if (!existsSync(present)) return false
  const have = JSON.parse(readFileSync(present, 'utf8')).packages
  return Object.entries(wanted).every(
    ([path, { version, optional }]) => path === '' || optional || have[path]?.version === version,
  )
}

if (!installed()) {
  console.error('Installing packages (once; sqlite3 may take a minute to build) ...')
  run('npm', ['ci', '--no-audit', '--no-fund', '--include=dev', '--loglevel=error'])
}

// A module whose source is gone must not be found among the built ones.
const sweep = (folder) => {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) sweep(path)
    else if (path.endsWith('.js') && !existsSync(path.replace(/^dist\//, '').replace(/js$/, 'ts'))) rmSync(path)
  }
}
if (existsSync('dist')) sweep('dist')

if (process.argv[2] === 'build') run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'])

// The tests' peers come from Debian. Where they cannot be installed, the tests that need them say so and skip.
if (process.argv[2] === 'test') {
  const tools = {
    sipp: ['sip-tester'],
    tshark: ['tshark'],
    baresip: ['baresip-core'],
    openssl: ['openssl'],
    kamailio: ['kamailio', 'kamailio-presence-modules', 'kamailio-xml-modules', 'kamailio-sqlite-modules'],
  }
  const has = (tool) => spawnSync('sh', ['-c', `command -v ${tool}`]).status === 0
  const missing = Object.keys(tools).filter((tool) => !has(tool))
  if (missing.length > 0 && process.getuid?.() === 0 && has('apt-get')) {
    console.error(`Installing ${missing.join(', ')} for the tests ...`)
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    const apt = (...args) => execFileSync('apt-get', ['-qq', ...args], { stdio: ['ignore', 'ignore', 2], env })
    try {
      apt('update')
      apt('install', '-y', '--no-install-recommends', ...missing.flatMap((tool) => tools[tool]))
    } catch (error) {
      console.error(`They could not be installed (${error.message}); tests that need them will be skipped.`)
    }
  }
}
