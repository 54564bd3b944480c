import { expect } from 'chai'
import * as fc from 'fast-check'
import { type DialogIdentity, formOf, TextOfDialog } from '../../../core/sip/dialog-text.ts'

class Text extends TextOfDialog {
  get whole(): string {
    return this.text
  }
}

describe('the text of a dialog', () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', ';', 'ü', '<', ' ', 't', '='), minLength: 1, maxLength: 30 })
  const identities = fc.record({
    callId: word,
    localTag: word,
    remoteTag: fc.oneof(word, fc.constant('')),
    remoteUri: word,
  })

  it('property: everything it is made of is found in it, and nothing else is taken for it', () => {
    fc.assert(
      fc.property(identities, identities, fc.boolean(), (identity, other, compact) => {
        const text = new Text(identity, formOf(compact))
        const { callId, localTag, remoteTag, remoteUri } = text
        expect({ callId, localTag, remoteTag, remoteUri }).to.deep.equal(identity)
        expect(text.id).to.equal(`${identity.callId};${identity.localTag};${identity.remoteTag}`)
        expect(text.isOf(identity.callId, identity.localTag, identity.remoteTag)).to.equal(true)
        const isSame = (name: keyof DialogIdentity): boolean => identity[name] === other[name]
        expect(text.isOf(other.callId, identity.localTag, identity.remoteTag)).to.equal(isSame('callId'))
        expect(text.isOf(identity.callId, other.localTag, identity.remoteTag)).to.equal(isSame('localTag'))
        expect(text.isOf(identity.callId, identity.localTag, other.remoteTag)).to.equal(isSame('remoteTag'))
      }),
    )
  })

  it('is a piece of a header block, in long and in short', () => {
    const identity = { callId: 'call', localTag: 'ours', remoteTag: 'theirs', remoteUri: '<sip:100@h>' }
    expect(new Text(identity, formOf(false)).whole).to.equal(
      ';tag=ours\r\nTo: <sip:100@h>;tag=theirs\r\nCall-ID: call\r\n',
    )
    expect(new Text({ ...identity, remoteTag: '' }, formOf(true)).whole).to.equal(
      ';tag=ours\r\nt: <sip:100@h>\r\ni: call\r\n',
    )
  })

  it('has no line of a stranger in it', () => {
    const identity = { callId: 'a\r\nX: y', localTag: 'b\nc', remoteTag: 'd\0e', remoteUri: 'f\rg' }
    expect(new Text(identity, formOf(false)).whole).to.equal(';tag=b c\r\nTo: f g;tag=d e\r\nCall-ID: a  X: y\r\n')
  })
})
