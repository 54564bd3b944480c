import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import res_pjsip_outbound_publish from '../../res_pjsip_publish_asterisk/res_pjsip_outbound_publish.ts'
import res_pjsip_publish_asterisk from '../../res_pjsip_publish_asterisk/res_pjsip_publish_asterisk.ts'
import type { Pubsub } from '../../res_pjsip_pubsub/contract.ts'
import res_pjsip_pubsub from '../../res_pjsip_pubsub/res_pjsip_pubsub.ts'
import type { TestCore } from '../support/core.ts'
import { FakeSip } from '../support/fake-sip.ts'
import { configure, EID, startServer, TAKES_ALL } from '../support/publishing.ts'
import { until } from '../support/tools.ts'

/** A server that shares its publications with another (`publ_cache = 0`), and an Asterisk that publishes to both. */
class Sharing {
  readonly sip = new FakeSip()
  readonly office: TestCore
  readonly #pubsub: Pubsub
  #entityTag: string | undefined

  private constructor(office: TestCore, pubsub: Pubsub, sip: FakeSip) {
    this.office = office
    this.#pubsub = pubsub
    this.sip = sip
  }

  static async start(directory: string, name: string): Promise<Sharing> {
    const sip = new FakeSip()
    const options = {
      db_url: `sqlite://${join(directory, 'shared.db')}`,
      subs_db_mode: '3',
      publ_cache: '0',
      notifier_poll_rate: '100',
    }
    const office = await startServer(EID.a, {
      sip,
      storePath: join(directory, name),
      files: { 'pubsub.conf': options },
    })
    configure(office, TAKES_ALL)
    const pubsub = await office.load<Pubsub>(res_pjsip_pubsub)
    await office.load(res_pjsip_outbound_publish, res_pjsip_publish_asterisk)
    return new Sharing(office, pubsub, sip)
  }

  async isTold(mailbox: string, count: number): Promise<void> {
    const said = { type: 'mailboxstate', uniqueid: `${mailbox}@default`, old: 0, new: count, eid: EID.b }
    const tx = await this.sip.publish('lamps', JSON.stringify(said), {
      Event: 'asterisk-mwi',
      From: '<sip:lamps@192.0.2.7>;tag=1',
      Contact: undefined,
      'SIP-If-Match': this.#entityTag,
      'Content-Type': 'application/json',
    })
    expect(tx.status).to.equal(200)
    this.#entityTag = tx.header('SIP-ETag')
  }

  messages(mailbox: string): number {
    return this.office.core.mailboxes.get(`${mailbox}@default`).newMessages
  }

  /** Until all that the other was told until now was seen here. */
  async sees(other: Sharing): Promise<void> {
    const said = (server: Sharing): string =>
      [...server.#pubsub.allPublications]
        .map(({ body }) => body)
        .sort()
        .join()
    await until('the same publications', () => said(this) === said(other))
  }
}

describe('PUBLISH of an Asterisk to each of two servers that share a database', () => {
  let directory: string
  let one: Sharing
  let other: Sharing

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'lamplighter-published-'))
    one = await Sharing.start(directory, 'one.db')
    other = await Sharing.start(directory, 'other.db')
  })
  afterEach(async () => {
    await one.office.close()
    await other.office.close()
    rmSync(directory, { recursive: true, force: true })
  })

  it('counts at the server that it comes to, though the other is told the same later', async () => {
    await one.isTold('100', 1)
    await one.isTold('100', 0)
    await other.isTold('100', 1)
    await one.sees(other)
    expect([one.messages('100'), other.messages('100')]).to.deep.equal([0, 1])
    await other.isTold('100', 0)
    await other.isTold('101', 1)
    await one.sees(other)
    expect([one.messages('100'), one.messages('101')]).to.deep.equal([0, 0])
  })

  it('counts after a restart as before', async () => {
    await one.isTold('100', 2)
    await one.isTold('101', 3)
    await other.isTold('101', 1)
    await one.sees(other)
    await one.office.close()
    one = await Sharing.start(directory, 'one.db')
    expect([one.messages('100'), one.messages('101')]).to.deep.equal([2, 3])
  })
})
