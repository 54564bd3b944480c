import { expect } from 'chai'
import { readOnChannel } from '../../../core/ari/channel-variables.ts'
import { Complaints } from '../../../core/ari/complaints.ts'
import { deviceStateOf, type Expression, hintOf } from '../../../core/ari/functions.ts'
import { Probe } from '../../../core/ari/probe.ts'
import type { AriAnswer } from '../../../core/ari/protocol.ts'
import { Log } from '../../../core/log.ts'
import { FakeLink, found, refused, unreadable } from '../../support/fake-link.ts'

const BULK = 'channels.getChannelVars'
const SINGLE = 'channels.getChannelVar'

const hint = (exten: number): Expression => {
  const functions = hintOf('default', String(exten))
  if (!functions) throw new Error('no expression')
  return functions.text
}

const asterisk = (missing: ReadonlySet<string>): FakeLink =>
  new FakeLink([BULK, SINGLE], (operation, { variables, variable }): AriAnswer => {
    if (operation === SINGLE) return missing.has(variable ?? '') ? unreadable : found({ value: `of ${variable ?? ''}` })
    const names = (variables ?? '').split(/,(?=[A-Z])/)
    if (names.length > 127) return refused(400, 'Too many values for variables')
    if (names.some((name) => missing.has(name))) return unreadable
    return found({ variables: Object.fromEntries(names.map((name) => [name, `of ${name}`])) })
  })

describe('Reading functions on a channel', () => {
  it('finds the one that fails all by halving', async () => {
    const link = asterisk(new Set(['HINT(7@default)', 'HINT(30@default)']))
    const asked = Array.from({ length: 40 }, (_, at) => hint(at))
    const readings = await readOnChannel(link, 'probe', asked)
    expect(readings).to.deep.equal(
      asked.map((name, at) => (at === 7 || at === 30 ? { kind: 'none' } : { kind: 'value', value: `of ${name}` })),
    )
    expect(link.requests.length).to.be.below(30)
  })

  it('keeps to 127 values and to the length of a request line', async () => {
    const link = asterisk(new Set())
    const long = Array.from({ length: 300 }, (_, at) => deviceStateOf(`Custom:${'x'.repeat(90)}${at}`) ?? hint(at))
    const readings = await readOnChannel(link, 'probe', [...long, ...Array.from({ length: 300 }, (_, at) => hint(at))])
    expect(readings).to.have.length(600)
    for (const { parameters } of link.requests) {
      const line = `GET /ari/channels/probe/variables?variables=${encodeURIComponent(parameters['variables'] ?? '')} HTTP/1.1`
      expect(line.length).to.be.below(4000)
    }
  })

  const SILENT = [
    [401, 'no', 'a user that may not ask any more'],
    [403, 'no', 'a user that may do less now'],
    [404, 'Resource not found', 'ARI without its channels'],
    [404, '<title>404 Not Found</title>', 'ARI that is switched off'],
    [503, '<title>503 Service Unavailable</title>', 'an Asterisk that is ending'],
  ] as const

  for (const [status, reason, what] of SILENT)
    it(`takes ${what} for silence (${status} ${reason}), not for a function that is not there`, async () => {
      const link = new FakeLink([BULK, SINGLE], () => refused(status, reason))
      for (const asked of [[hint(1)], [hint(1), hint(2)]])
        expect(await readOnChannel(link, 'probe', asked)).to.deep.equal(asked.map(() => ({ kind: 'unasked', reason })))
    })

  it('tells a channel that is gone from a function that is not there, and both from silence', async () => {
    const answers: Record<string, AriAnswer> = {
      gone: refused(404, 'Provided channel was not found'),
      none: refused(404, 'Provided variable was not found'),
      silent: { kind: 'unreachable', reason: 'no answer' },
    }
    const read = (which: string) =>
      readOnChannel(new FakeLink([], () => answers[which] ?? unreadable), 'probe', [hint(1)])
    expect(await read('gone')).to.equal('no channel')
    expect(await read('none')).to.deep.equal([{ kind: 'none' }])
    expect(await read('silent')).to.deep.equal([{ kind: 'unasked', reason: 'no answer' }])
  })
})

describe('The probe channel', () => {
  it('removes one of its name that is in the way, makes a new one where it was hung up, and deletes it', async () => {
    let exists = true
    let reads = 0
    const link = new FakeLink([SINGLE], (operation): AriAnswer => {
      if (operation === 'channels.hangup') exists = false
      else if (operation === 'channels.create') {
        if (exists) return refused(409, 'Channel with given unique ID already exists')
        exists = true
      } else if (++reads === 1) {
        exists = false
        return refused(404, 'Provided channel was not found')
      } else return found({ value: 'PJSIP/100' })
      return found(undefined)
    })
    const log = new Log().logger('test')
    const probe = new Probe(link, () => 'app', new Complaints(log), log)
    expect(await probe.read([hint(1)])).to.deep.equal([{ kind: 'value', value: 'PJSIP/100' }])
    expect(exists).to.equal(true)
    await probe.close()
    expect(exists).to.equal(false)
    expect(link.requests[0]?.parameters).to.deep.equal({
      endpoint: 'Local/zz@lamplighter-probe',
      app: 'app',
      channelId: 'app-probe',
    })
  })

  it('waits for one that was just hung up, which keeps its id until its thread has ended', async () => {
    let inTheWay = 3
    const link = new FakeLink([SINGLE], (operation): AriAnswer => {
      if (operation === 'channels.create' && inTheWay-- > 0)
        return refused(409, 'Channel with given unique ID already exists')
      return found({ value: 'PJSIP/100' })
    })
    const log = new Log().logger('test')
    const complaints = new Complaints(log)
    const probe = new Probe(link, () => 'app', complaints, log)
    expect(await probe.read([hint(1)])).to.deep.equal([{ kind: 'value', value: 'PJSIP/100' }])
    expect(complaints.open).to.deep.equal([])
    await probe.close()
  })
})
