/**
 * The demo PBX as a process of its own: devices `Custom:p0` and so on, set by lines on a TCP connection, told over ARI.
 * Says its two ports to its parent.
 */
import { createServer } from 'node:net'
import { startDemoPbx } from '../core/demo/pbx.ts'
import { isDeviceState } from '../core/states/devices.ts'
import { pbxData } from '../test/support/pbx-data.ts'

export interface PbxPorts {
  readonly ari: string
  readonly control: number
}

const pbx = await startDemoPbx({ port: 0, data: pbxData({}) })
const server = createServer((socket) => {
  let rest = ''
  socket.setEncoding('latin1').on('data', (text) => {
    const lines = (rest + String(text)).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const [device = '', state = ''] = line.split(' ')
      if (isDeviceState(state)) pbx.setCustom(device, state)
    }
  })
  socket.on('error', () => undefined)
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  const control = typeof address === 'object' && address ? address.port : 0
  process.send?.({ ari: pbx.url, control } satisfies PbxPorts)
})
// Nobody is left to say anything.
process.on('disconnect', () => process.exit())
