/** A dialog's record is the same when it is read from its row. */
import { expect } from 'chai'
import type { DialogRecord } from '../../core/sip/contract.ts'
import { DIALOG_FIELDS, readDialog, textOf } from '../../res_pjsip_pubsub/storage/row-dialog.ts'

const RECORD: DialogRecord = {
  callId: 'call',
  localTag: 'ours',
  remoteTag: 'theirs',
  localUri: '<sip:200@pbx.example>',
  remoteUri: '"A" <sip:100@pbx.example>',
  remoteTarget: 'sip:100@192.0.2.7',
  localCseq: 0,
  remoteCseq: 7,
  routeSet: [],
  secure: false,
  transport: 'udp',
  protocol: 'UDP',
  remote: { address: '192.0.2.7', port: 5060 },
  followFlow: true,
}

describe('A dialog in its row', () => {
  for (const [what, record] of [
    ['as most are', RECORD],
    ['behind a proxy', { ...RECORD, routeSet: ['<sip:192.0.2.9;lr>'], secure: true }],
    ['with a Contact of the configuration', { ...RECORD, contact: 'sip:us@pbx.example' }],
    ['with the address of ours that its phone sends to', { ...RECORD, own: '192.0.2.1' }],
  ] as const) {
    it(`is read as it was written, ${what}`, () => {
      const { callId, localTag, remoteTag, remoteTarget, remoteCseq } = record
      const row = {
        callid: callId,
        to_tag: localTag,
        from_tag: remoteTag,
        contact: remoteTarget,
        remote_cseq: remoteCseq,
      }
      const dialog = textOf(record)
      const written: Partial<Record<string, unknown>> = JSON.parse(dialog)
      const fields = DIALOG_FIELDS.map((name) => written[name] ?? null)
      for (const read of [readDialog({ ...row, dialog }), readDialog({ ...row, dialog: fields })])
        expect(JSON.parse(JSON.stringify(read))).to.deep.equal(record)
    })
  }
})
