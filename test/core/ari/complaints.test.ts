import { expect } from 'chai'
import { Complaints } from '../../../core/ari/complaints.ts'
import type { ConnectFailure } from '../../../core/ari/protocol.ts'
import { Log } from '../../../core/log.ts'

describe('What is said of the connection to an Asterisk', () => {
  it('is that it answers 404 only where that lasts: its HTTP server is there before its ARI when it starts', () => {
    const said: string[] = []
    const log = { ...new Log('error').logger('test'), error: (message: string) => void said.push(message) }
    let now = 0
    const complaints = new Complaints(log, () => now)
    const fails = (at: number, cause: ConnectFailure['cause'], reason: string): number => {
      now = at
      complaints.connection({ cause, reason }, 'http://pbx:8088', 'lamp')
      return said.length
    }
    expect(fails(0, 'not-ari', '404 Not Found')).to.equal(0)
    expect(fails(9_000, 'not-ari', '404 Not Found')).to.equal(0)
    complaints.settle('connection')
    expect(fails(11_000, 'not-ari', '404 Not Found')).to.equal(0)
    expect(fails(12_000, 'unreachable', 'connect ECONNREFUSED')).to.equal(0)
    expect(fails(21_000, 'not-ari', '404 Not Found')).to.equal(0)
    expect(fails(31_000, 'not-ari', '404 Not Found')).to.equal(1)
    expect(said[0]).to.include('answers, but not as ARI does (404 Not Found)')
    expect(fails(31_000, 'not-ari', 'no JSON')).to.equal(2)
  })

  it('is that ARI is switched off, where it is, and no missing module', () => {
    const complaints = new Complaints(new Log('error').logger('test'))
    complaints.probe(404, 'The requested URL was not found on this server.')
    expect(complaints.open.join()).to.include('enabled = yes in its ari.conf').and.not.to.include('res_ari_channels')
    complaints.probe(404, 'Resource not found')
    expect(complaints.open.join()).to.include('load res_ari_channels.so')
  })

  it('is each reason once while it lasts, though they take turns, and anew where it is another thing', () => {
    const said: string[] = []
    const say = (message: string): void => void said.push(message)
    const complaints = new Complaints({ ...new Log('error').logger('test'), error: say, warning: say })
    const fail = (cause: ConnectFailure['cause'], reason: string): void =>
      complaints.connection({ cause, reason }, 'http://pbx:8088', 'lamp')
    for (let time = 0; time < 3; time++)
      for (const reason of ['socket hang up', 'read ECONNRESET']) {
        fail('unreachable', reason)
        expect(complaints.open.join()).to.include(reason)
      }
    expect(said).to.have.length(2)
    fail('credentials', '401')
    fail('unreachable', 'socket hang up')
    fail('credentials', '401')
    expect(said).to.have.length(5)
    complaints.settle('connection')
    fail('credentials', '401')
    expect(said).to.have.length(6)
  })
})
