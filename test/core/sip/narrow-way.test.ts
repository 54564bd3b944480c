/** A network on the way to a phone that has no room for a long datagram, as a VPN, and a firewall that drops ICMP. */
import { execFile, spawnSync } from 'node:child_process'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { nativePart } from '../../../core/sip/addon.ts'

const DATAGRAMS = new URL('../../../core/sip/datagrams.ts', import.meta.url).pathname

const SENDER = `
import { openDatagrams } from '${DATAGRAMS}'
const datagrams = await openDatagrams({ address: '10.0.0.1', port: 0 }, 4)
const handler = { makeFlow: (remote, place) => ({ remote, place }), sendFailed: console.error }
datagrams.start(handler)
datagrams.send('x'.repeat(1400), datagrams.flowTo({ address: '10.0.1.9', port: 5060 }, handler), undefined)
await datagrams.close()`

/** A network of its own, and a router in another one. Prints what that has done. */
const SCRIPT = `
unshare -n sleep 30 >/dev/null & router=$!
trap 'kill $router' EXIT
until [ "$(readlink /proc/$router/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
there() { nsenter -t $router -n "$@"; }
ip link add here type veth peer name there netns $router
ip addr add 10.0.0.1/24 dev here; ip link set here up; ip route add 10.0.1.0/24 via 10.0.0.2
there ip addr add 10.0.0.2/24 dev there; there ip link set there up
there ip link add narrow type veth peer name end; there ip link set narrow mtu 1280
there ip addr add 10.0.1.1/24 dev narrow; there ip link set narrow up; there ip link set end up
there ip neigh add 10.0.1.9 lladdr 02:00:00:00:00:09 dev narrow
there sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
"$NODE" --import tsx --input-type=module -e "$SENDER"
there grep Ip: /proc/net/snmp`

describe('a long datagram on a way that gets narrower', () => {
  it('is cut up by the router, which needs not tell us', async function () {
    const mayHaveNetworks = spawnSync('unshare', ['-rn', 'ip', 'link', 'add', 'here', 'type', 'veth']).status === 0
    if (nativePart().kind !== 'loaded' || !mayHaveNetworks) {
      console.error(
        "      skipped: it needs the native part, and leave to make networks (unshare -rn, Debian's iproute2)",
      )
      this.skip()
    }
    const env = { ...process.env, NODE: process.execPath, SENDER }
    const { stdout } = await promisify(execFile)('unshare', ['-rn', 'sh', '-ec', SCRIPT], { env })
    const [names = [], values = []] = stdout.split('\n').map((line) => line.split(' '))
    const told = (name: string): string | undefined => values[names.indexOf(name)]
    expect({ cut: told('FragOKs'), dropped: told('FragFails') }).to.deep.equal({ cut: '1', dropped: '0' })
  })
})
