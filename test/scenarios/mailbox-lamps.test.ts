/** A voicemail lamp among the keys: a hint of the device `MWI:`, where no Asterisk tells of it. */
import { expect } from 'chai'
import { localOffice } from '../support/office.ts'
import { expectNext, Scene } from '../support/scene.ts'

describe('a hint of a mailbox', function () {
  this.timeout(60_000)
  let scene: Scene

  beforeEach(async () => {
    scene = await Scene.open({
      ...localOffice(),
      'extensions.conf': '[office]\nexten => 202,hint,MWI:100@default\n',
    })
  })
  afterEach(() => scene.close())

  it('is lit while there are new messages', async () => {
    await scene.command('mwi update 100@default 2 1')
    const [phone, first] = await scene.watching('101', '202', 'dialog')
    expect(first.body).to.match(/<state>confirmed<\/state>/)
    await scene.command('mwi update 100@default 0 3')
    const dark = await phone.next('NOTIFY')
    expectNext(first, dark, /<state>terminated<\/state>/)
    await scene.command('mwi update 100@default 1 3')
    expectNext(dark, await phone.next('NOTIFY'), /<state>confirmed<\/state>/)
  })
})
