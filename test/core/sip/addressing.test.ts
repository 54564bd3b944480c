/** Which address of ours a peer is told while networks come and go. */
import { expect } from 'chai'
import { Addressing } from '../../../core/sip/addressing.ts'
import type { Wire } from '../../../core/sip/transport.ts'
import { transportConfig } from '../../support/stack.ts'

describe('our own address', () => {
  const local = { address: '0.0.0.0', port: 5060 }
  const carrier = { config: transportConfig({ bind: '0.0.0.0:5060' }), local, family: 4 }
  const wire = { carrier, local, remote: { address: '192.0.2.7', port: 5060 } } as unknown as Wire

  it('is looked for again at once where there was no network before', () => {
    let source: string | undefined
    const addressing = new Addressing(
      () => 0,
      () => source,
    )
    expect(addressing.ownAddress(wire).host).to.equal('0.0.0.0')
    source = '192.0.2.1'
    expect(addressing.ownAddress(wire).host).to.equal('192.0.2.1')
  })
})
