import { expect } from 'chai'
import type { FakeTransaction } from '../support/fake-sip.ts'
import { type LampOffice, lampOffice, settled } from '../support/lamp-office.ts'

describe('pubsub: console', () => {
  let made: LampOffice
  let tx: FakeTransaction

  beforeEach(async () => {
    made = await lampOffice({ endpoints: { 100: { callerid: 'Alice <100>' }, 101: {} } })
    tx = await made.sip.subscribe('200', { 'Call-ID': 'call-one', 'User-Agent': 'Phone\u001b[2J' })
    await made.sip.subscribe('201', { 'Call-ID': 'call-two', From: '<sip:101@pbx.example>;tag=x', Event: 'lamp;id=4' })
    await settled()
  })

  afterEach(() => made.office.close())

  const run = (line: string): Promise<string> => made.office.run(line)
  const failure = (line: string): Promise<string> =>
    run(line).then(
      () => 'it worked',
      (error: unknown) => String(error),
    )

  it("shows subscriptions in Asterisk's blocks", async () => {
    const shown = await run('pjsip show subscriptions inbound')
    expect(shown).to.include('Endpoint: 100/Alice <100>\nResource: 200/lamp\n  Expiry:      600  call-one\n')
    expect(shown).to.include('Endpoint: 101/<none>\nResource: 201/lamp\n')
    expect(shown).to.match(/2 active subscriptions$/)
  })

  it("lists them in Asterisk's columns", async () => {
    const listed = (await run('pjsip list subscriptions inbound')).split('\n')
    expect(listed[0]).to.equal(`${'Endpoint/CLI'.padEnd(30)} ${'Resource/Event'.padEnd(30)} Expiry Call-id`)
    expect(listed[1]).to.equal(`${'100/Alice <100>'.padEnd(30)} ${'200/lamp'.padEnd(30)}    600 call-one`)
  })

  it('shows those that are like an expression', async () => {
    const shown = await run('pjsip show subscriptions inbound like ^Resource:.201')
    expect(shown).to.match(/0 active subscriptions$/)
    expect(await run('pjsip list subscriptions inbound like 201/lamp')).to.include('1 active subscriptions')
    expect(await failure('pjsip list subscriptions inbound like (')).to.match(/regular expression/i)
    expect(await failure('pjsip list subscriptions inbound lik x')).to.include("expected 'like <regular")
    expect(await run('pjsip list subscriptions inbound like ALICE')).to.include('1 active subscriptions')
    expect(await run('pjsip show subscriptions inbound like "alice <100>"')).to.include('1 active subscriptions')
  })

  it('shows one, by its Call-ID', async () => {
    const shown = await run('pjsip show subscription inbound call-two')
    expect(shown).to.match(/^Event\s+: lamp;id=4$/m)
    expect(shown).to.match(/^CSeq\s+: 1$/m)
    expect(shown).to.match(/^State\s+: active$/m)
    expect(await failure('pjsip show subscription inbound nothing')).to.include('there is no subscription nothing')
    expect(await failure('pjsip show subscription inbound')).to.include('which subscription?')
  })

  it('shows nothing that would move a cursor', async () => {
    const shown = await run('pjsip show subscription inbound call-one')
    expect(shown).to.include('UserAgent      : Phone?[2J')
  })

  it('sends a NOTIFY', async () => {
    await run('pubsub notify call-one')
    await settled()
    expect(tx.dialog.notifies).to.have.length(2)
    const [first] = made.pubsub.subscriptions
    await run(`pubsub notify ${first?.id}`)
    await settled()
    expect(tx.dialog.notifies).to.have.length(3)
  })

  it('ends a subscription, for a reason', async () => {
    expect(await failure('pubsub terminate call-one boredom')).to.include('boredom is no reason, expected one of')
    await run('pubsub terminate call-one')
    await run('pubsub terminate call-two rejected')
    await settled()
    expect(tx.dialog.last.state).to.equal('terminated;reason=deactivated')
    expect(await run('pjsip show subscriptions inbound')).to.match(/0 active subscriptions$/)
  })

  it('counts', () => {
    expect(made.office.metric('pubsub.subscriptions.active')).to.equal(2)
    expect(made.office.metric('pubsub.subscriptions.event.lamp')).to.equal(2)
    expect(made.office.metric('pubsub.notify.sent')).to.equal(2)
    expect(made.office.metric('pubsub.notify.answered')).to.equal(2)
  })

  it('says what is wrong in pubsub.conf, with its place, and keeps what it had', async () => {
    made.office.file('pubsub.conf', { notify_retries: 'many' })
    const reload = await made.office.loader.reload('res_pjsip_pubsub').then(
      () => 'it worked',
      (error: unknown) => String(error),
    )
    expect(reload).to.include("pubsub.conf:2: notify_retries = 'many' is not valid, expected attempts from 0 to 1000")
    expect(made.office.metric('pubsub.subscriptions.active')).to.equal(2)
    const refresh = await made.sip.again(tx)
    expect(refresh.status).to.equal(200)
  })

  it('takes its commands along when it is unloaded', async () => {
    await made.office.loader.unload('res_pjsip_pubsub')
    expect(await failure('pjsip list subscriptions inbound')).not.to.equal('it worked')
    expect(made.office.core.metrics.read().some(([name]) => name.startsWith('pubsub.subscriptions'))).to.equal(false)
  })
})
