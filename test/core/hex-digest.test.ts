import { expect } from 'chai'
import { DIGEST_ALGORITHMS, digestHash } from '../../core/auth/digest.ts'
import { digestByObject, hexDigest } from '../../core/hex-digest.ts'

describe('the digest of a text', () => {
  it('is the one of RFC 1321 and of FIPS 180, whichever way Node makes it', () => {
    for (const digest of [hexDigest, digestByObject]) {
      expect(digest('md5', 'abc')).to.equal('900150983cd24fb0d6963f7d28e17f72')
      expect(digest('sha1', 'abc')).to.equal('a9993e364706816aba3e25717850c26c9cd0d89d')
    }
    for (const text of ['', 'abc', 'grün:€:😀']) {
      expect(hexDigest('sha1', text)).to.equal(digestByObject('sha1', text))
      for (const algorithm of DIGEST_ALGORITHMS) expect(digestHash(algorithm, text)).to.match(/^[0-9a-f]{32,64}$/)
    }
    expect(() => hexDigest('sha0815', 'abc')).to.throw()
  })
})
