import { expect } from 'chai'
import { assert, json, oneof, property, string } from 'fast-check'
import {
  deviceStateBody,
  mailboxGoneBody,
  mailboxStateBody,
  readDeviceState,
  readMailboxState,
  refreshBody,
} from '../../res_pjsip_publish_asterisk/json-bodies.ts'

const EID = '02:fc:00:00:00:01'

describe('The JSON of device states and mailboxes', () => {
  it("is Asterisk's, to the letter", () => {
    expect(deviceStateBody('PJSIP/100', 'INUSE', EID)).to.deep.equal({
      contentType: 'application/json',
      content: `{"type":"devicestate","device":"PJSIP/100","state":"INUSE","cachable":1,"eid":"${EID}"}`,
    })
    expect(mailboxStateBody('100@default', { newMessages: 2, oldMessages: 1 }, EID).content).to.equal(
      `{"type":"mailboxstate","uniqueid":"100@default","old":1,"new":2,"eid":"${EID}"}`,
    )
    expect(refreshBody(EID).content).to.equal(`{"type":"refresh","eid":"${EID}"}`)
  })

  it('is read as it is written, and the entity id without case', () => {
    const state = { newMessages: 2, oldMessages: 1 }
    const mailbox = mailboxStateBody('100@default', state, EID).content.toString()
    expect(readMailboxState(mailbox)).to.deep.equal({ state: { type: 'state', eid: EID, name: '100@default', state } })
    const device = deviceStateBody('Custom:x', 'RINGINUSE', EID.toUpperCase()).content.toString()
    expect(readDeviceState(device)).to.deep.equal({
      state: { type: 'state', eid: EID, name: 'Custom:x', state: 'RINGINUSE' },
    })
    expect(readDeviceState(`{"eid":"${EID}","type":"refresh"}`)).to.deep.equal({ state: { type: 'refresh', eid: EID } })
    expect(readMailboxState(`{"type":"mailboxstate","uniqueid":"100","old":0,"new":0,"eid":"${EID}"}`)).to.deep.include(
      {
        state: { type: 'state', eid: EID, name: '100@default', state: { newMessages: 0, oldMessages: 0 } },
      },
    )
  })

  it('says of a mailbox that nobody knows any more what Asterisk takes for an empty one', () => {
    const { content } = mailboxGoneBody('100@default', EID)
    expect(content).to.equal(
      `{"type":"mailboxstate","uniqueid":"100@default","old":0,"new":0,"eid":"${EID}","gone":true}`,
    )
    expect(readMailboxState(content.toString())).to.deep.equal({
      state: { type: 'gone', eid: EID, name: '100@default' },
    })
  })

  it('is refused with what is wrong with it', () => {
    const faults: [body: string, fault: string][] = [
      ['', 'Not A JSON Object'],
      ['[]', 'Not A JSON Object'],
      ['null', 'Not A JSON Object'],
      ['{"type":"refresh"}', 'No Entity Id'],
      ['{"type":"refresh","eid":"pbx1"}', 'No Entity Id'],
      [`{"type":"mailboxstate","eid":"${EID}"}`, 'Unknown Type'],
      [`{"type":"devicestate","eid":"${EID}"}`, 'No Device'],
      [`{"type":"devicestate","device":"","eid":"${EID}"}`, 'No Device'],
      [`{"type":"devicestate","device":"x","state":"busy","eid":"${EID}"}`, 'No Device State'],
    ]
    for (const [body, fault] of faults) expect(readDeviceState(body), body).to.deep.equal({ fault })
    for (const counts of ['"old":1', '"old":-1,"new":0', '"old":0.5,"new":0', '"old":"1","new":"2"'])
      expect(readMailboxState(`{"type":"mailboxstate","uniqueid":"1",${counts},"eid":"${EID}"}`)).to.deep.equal({
        fault: 'No Message Counts',
      })
  })

  it('never throws, whatever is sent', () => {
    assert(
      property(oneof(string(), json()), (text) => {
        const read = [readDeviceState(text), readMailboxState(text)]
        return read.every((one) => 'fault' in one)
      }),
    )
  })
})
