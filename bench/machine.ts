/** What it ran on, for whoever compares figures. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { kamailioVersion, missingForKamailio } from './kamailio.ts'

export function describeMachine(): string[] {
  const processors = cpus()
  const system = /^PRETTY_NAME="(.*)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'Linux'
  return [
    `${processors.length} × ${processors[0]?.model ?? 'unknown processor'}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
    `${system}, Linux ${release()}; the generator and the server share the machine, over UDP on the loopback`,
    `Node.js ${process.versions.node}; Lamplighter ${commit()}`,
    missingForKamailio(false) === ''
      ? `Kamailio ${kamailioVersion()}, bench/kamailio.cfg`
      : 'Kamailio is not installed',
  ]
}

/** Load average over the last minute: with nothing else running it is 0 before a run. */
export function loadNow(): string {
  return (loadavg()[0] ?? 0).toFixed(2)
}

function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' }).trim()
  } catch {
    return 'of unknown version'
  }
}
