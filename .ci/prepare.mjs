// What `npm start` and `npm test` need on a fresh machine: `node .ci/prepare.mjs build` or `... test`.
// Plain JavaScript: it runs before anything is installed. What is there already is left alone.
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { resolve } from 'node:path'
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

const has = (tool) => spawnSync('sh', ['-c', `command -v ${tool}`]).status === 0

// UDP in batches is for Linux, and needs a C compiler and Node's headers; without them Node's own sockets are used.
const buildNative = () => {
  const source = 'core/sip/native/datagrams.c'
  const built = 'dist/core/sip/native/datagrams.node'
  const stamp = 'dist/core/sip/native/datagrams.stamp'
  const compiler = [process.env.CC, 'cc', 'gcc', 'clang'].find((tool) => tool && has(tool))
  const headers = [
    resolve(process.execPath, '../../include/node'),
    '/usr/include/node',
    '/usr/local/include/node',
    `${homedir()}/.cache/node-gyp/${process.versions.node}/include/node`,
  ].find((folder) => existsSync(`${folder}/node_api.h`) && existsSync(`${folder}/uv.h`))
  if (process.platform !== 'linux' || !compiler || !headers) return
  // Also of an attempt that failed: it would fail again.
  const tried = [compiler, headers, process.version, process.arch, readFileSync(source, 'utf8')].join('\n')
  const key = createHash('sha256').update(tried).digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === key) return
  mkdirSync('dist/core/sip/native', { recursive: true })
  rmSync(built, { force: true })
  const flags = ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-fPIC', '-fvisibility=hidden', '-shared', `-I${headers}`]
  const { status, stderr } = spawnSync(compiler, [...flags, '-o', `${built}.new`, source], { encoding: 'utf8' })
  if (stderr) console.error(stderr)
  // A server that runs keeps the file it has.
  if (status === 0) renameSync(`${built}.new`, built)
  else console.error(`${source} could not be built; UDP works without it, with more work for each datagram.`)
  writeFileSync(stamp, key)
}

// What has not changed is not written anew, so the built files do not say which sources they are of.
const begun = new Date()
run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'])
try {
  writeFileSync('dist/.built', '')
  utimesSync('dist/.built', begun, begun)
  // `npm install -g .` made it so once; a build where dist was taken away does not ask npm.
  chmodSync('dist/core/cli.js', 0o755)
  const git = ['describe', '--always', '--dirty', '--exclude=*']
  const { stdout } = existsSync('.git') ? spawnSync('git', git, { encoding: 'utf8' }) : {}
  writeFileSync('dist/commit', stdout ?? '')
} catch {
  // Who may not write here may still start what is built.
}

// The tests' peers come from Debian. Where they cannot be installed, the tests that need them say so and skip.
if (process.argv[2] === 'test') {
  const tools = {
    cc: ['gcc', 'libc6-dev'],
    sipp: ['sip-tester'],
    tshark: ['tshark'],
    baresip: ['baresip-core'],
    linphonec: ['linphone-cli'],
    'twinkle-console': ['twinkle-console'],
    ip: ['iproute2'],
    openssl: ['openssl'],
    sqlite3: ['sqlite3'],
    'systemd-analyze': ['systemd'],
    kamailio: ['kamailio', 'kamailio-presence-modules', 'kamailio-xml-modules', 'kamailio-sqlite-modules'],
  }
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

buildNative()
