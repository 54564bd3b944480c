/** A host that has all addresses of an IPv6 network, which takes a network of its own to try. */
import { execFile, spawnSync } from 'node:child_process'
import { promisify } from 'node:util'
import { expect } from 'chai'

const STACK = new URL('../../support/stack.ts', import.meta.url).pathname

/** One connection of each of three addresses, of which the first two are in one network. Prints whether each was let in. */
const PROGRAM = `
import { once } from 'node:events'
import { connect } from 'node:net'
import { testStack, transportConfig } from '${STACK}'
const bind = '[::]:0'
const stack = await testStack({ transports: [transportConfig({ protocol: 'tcp', bind, max_connections_per_host: 1 })] })
const [{ port }] = stack.listening
for (const localAddress of ['fd00::1', 'fd00::2', 'fd00:0:0:1::1']) {
  const socket = connect({ host: 'fd00::1', port, localAddress }).on('error', () => undefined).resume()
  const ended = once(socket, 'close').then(() => 'turned away')
  socket.write('\\r\\n\\r\\n')
  console.log(await Promise.race([ended, once(socket, 'data').then(() => 'let in')]))
}
process.exit()`

const SCRIPT = `
ip link set lo up
for address in fd00::1 fd00::2 fd00:0:0:1::1; do ip addr add $address/64 dev lo nodad; done
"$NODE" --import tsx --input-type=module -e "$PROGRAM"`

describe('a host with many addresses', () => {
  it('has no more connections than one with one address', async function () {
    if (spawnSync('unshare', ['-rn', 'ip', 'link', 'set', 'lo', 'up']).status !== 0) {
      console.error("      skipped: it needs leave to make networks (unshare -rn, Debian's iproute2)")
      this.skip()
    }
    const env = { ...process.env, NODE: process.execPath, PROGRAM }
    const { stdout } = await promisify(execFile)('unshare', ['-rn', 'sh', '-ec', SCRIPT], { env })
    expect(stdout.trim().split('\n')).to.deep.equal(['let in', 'turned away', 'let in'])
  })
})
