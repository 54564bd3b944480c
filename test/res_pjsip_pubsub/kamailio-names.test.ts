/** The names of Kamailio's manual, row by row of the table in the README. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { parseEvent } from '../../core/sip/values.ts'
import res_pjsip_dialog_info_body_generator from '../../res_pjsip_exten_state/res_pjsip_dialog_info_body_generator.ts'
import res_pjsip_exten_state from '../../res_pjsip_exten_state/res_pjsip_exten_state.ts'
import res_pjsip_pidf_body_generator from '../../res_pjsip_exten_state/res_pjsip_pidf_body_generator.ts'
import type { AuthStatus, Pubsub, Subscription } from '../../res_pjsip_pubsub/contract.ts'
import type { Subs } from '../../res_pjsip_pubsub/kamailio/contract.ts'
import type { PublishedEvent } from '../../res_pjsip_pubsub/publishing/published-event.ts'
import res_pjsip_presence_rules from '../../res_pjsip_pubsub/res_pjsip_presence_rules.ts'
import res_pjsip_pubsub from '../../res_pjsip_pubsub/res_pjsip_pubsub.ts'
import { OWN_ROWS, type Row } from '../../res_pjsip_pubsub/storage/row.ts'
import type { FakeTransaction, Headers } from '../support/fake-sip.ts'
import { type LampOffice, lampOffice, settled } from '../support/lamp-office.ts'
import { LampHandler } from '../support/lamp-publications.ts'
import { Lamps, TEXT } from '../support/lamps.ts'
import { testReadmeNames } from '../support/readme-names.ts'
import { one, ruleset } from '../support/rules.ts'

const NOTE = 'text/note'

describe("names of Kamailio's manual", () => {
  let made: LampOffice
  let handler: LampHandler
  let status: AuthStatus

  beforeEach(async () => {
    made = await lampOffice()
    handler = new LampHandler()
    made.pubsub.publicationHandler(handler)
    status = 'active'
  })

  afterEach(() => made.office.close())

  /** An event as pres_ev_t has it, and a note of endpoint 100 in it. */
  function addNote(more: Partial<PublishedEvent> = {}): () => unknown {
    return made.pubsub.addEvent({ event: 'note', accept: [NOTE], ...more })
  }

  const note = (text: string, headers: Headers = {}): Promise<FakeTransaction> =>
    made.sip.publish('100', text, { Event: 'note', 'Content-Type': NOTE, ...headers })

  /** A look at the note of 100. */
  async function read(headers: Headers = {}): Promise<FakeTransaction> {
    const tx = await made.sip.subscribe('100', { Event: 'note', ...headers })
    await settled()
    return tx
  }

  const watching = (of = '200'): Subscription => {
    const found = [...made.pubsub.subscriptions].findLast((one) => one.resource === of)
    if (!found) throw new Error(`nobody watches ${of}`)
    return found
  }

  it('handle_publish', async () => {
    const publications: unknown[] = []
    made.pubsub.onRequest(async (request) => {
      if (request.tx.request.method !== 'PUBLISH') return false
      request.priority = 7
      publications.push(await made.pubsub.handlePublish(request, 'sip:boss@pbx.example'))
      return true
    })
    expect((await made.sip.publish('100', 'on')).status).to.equal(200)
    expect((await made.sip.publish('100', 'broken')).status).to.equal(400)
    const [publication] = made.pubsub.allPublications
    expect(publications).to.deep.equal([publication, undefined])
    expect(publication).to.include({ sender: 'sip:boss@pbx.example', priority: 7 })
  })

  it('handle_subscribe', async () => {
    const subscriptions: unknown[] = []
    made.pubsub.onRequest(async (request) => {
      request.flags = 5
      subscriptions.push(await made.pubsub.handleSubscribe(request, 'sip:asserted@pbx.example'))
      return true
    })
    const tx = await made.sip.subscribe('200')
    expect(tx.status).to.equal(200)
    expect((await made.sip.subscribe('none')).status).to.equal(404)
    expect(subscriptions).to.deep.equal([watching(), undefined])
    expect(watching().watcher).to.equal('sip:asserted@pbx.example')
    expect(made.pubsub.subs(watching()).flags).to.equal(5)
    expect((await made.sip.again(tx)).status).to.equal(200)
    expect(subscriptions.at(-1)).to.equal(watching())
  })

  it('pres_auth_status', async () => {
    addNote({ reqAuth: true, getAuthStatus: (_resource, watcher) => (watcher.includes('foe') ? 'terminated' : status) })
    const { pubsub } = made
    const answers: string[] = []
    for (const one of ['active', 'pending', 'waiting', 'terminated'] as const) {
      status = one
      answers.push(await pubsub.presAuthStatus('sip:friend@pbx.example', 'sip:100@pbx.example', 'note'))
    }
    expect(answers).to.deep.equal(['active', 'pending', 'pending', 'terminated'])
    status = 'active'
    expect(await pubsub.presAuthStatus('sip:foe@x', '100', 'note')).to.equal('terminated')
    expect(await pubsub.presAuthStatus('sip:foe@x', '200', 'lamp')).to.equal('active')
  })

  it('pres_refresh_watchers', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'lamplighter-hard-'))
    try {
      const path = join(directory, 'note.txt')
      addNote({ reqAuth: true, getAuthStatus: () => status })
      const tx = await read()
      // Type 0: the rules.
      status = 'pending'
      expect(await made.pubsub.presRefreshWatchers('sip:100@pbx.example', 'note', 0)).to.equal(1)
      await settled(8)
      expect(tx.dialog.last.state).to.match(/^pending/)
      status = 'active'
      await made.pubsub.presRefreshWatchers('100', 'note', 0)
      // Type 1: the table.
      await note('out')
      await settled(8)
      const before = tx.dialog.notifies.length
      expect(await made.pubsub.presRefreshWatchers('100', 'note', 1)).to.equal(1)
      await settled(8)
      expect(tx.dialog.notifies.length).to.equal(before + 1)
      expect(tx.dialog.last.text).to.equal('out')
      // Type 2: a file, which says what holds where nobody publishes anything.
      writeFileSync(path, 'on holiday')
      await made.pubsub.presRefreshWatchers('100', 'note', 2, 'sip:100@pbx.example', path)
      expect([...made.pubsub.allPublications].map((one) => one.body)).to.have.members(['out', 'on holiday'])
      rmSync(path)
      await made.pubsub.presRefreshWatchers('100', 'note', 2, 'sip:100@pbx.example', path)
      expect([...made.pubsub.allPublications].map((one) => one.body)).to.deep.equal(['out'])
      expect(await made.pubsub.presRefreshWatchers('101', 'note', 0)).to.equal(0)
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  it('pres_update_watchers', async () => {
    addNote({ reqAuth: true, getAuthStatus: () => status })
    status = 'pending'
    const tx = await read()
    expect(tx.dialog.last.state).to.equal('pending;expires=600')
    status = 'active'
    expect(await made.pubsub.presUpdateWatchers('sip:100@pbx.example', 'note')).to.equal(1)
    expect(await made.pubsub.presUpdateWatchers('sip:100@pbx.example', 'note')).to.equal(0)
    await settled(8)
    expect(tx.dialog.last.state).to.equal('active;expires=600')
  })

  it('pres_has_subscribers', async () => {
    const has = (who: string, event = 'lamp'): boolean => made.pubsub.presHasSubscribers(who, event)
    const tx = await made.sip.subscribe('200')
    expect([has('sip:200@pbx.example'), has('200'), has('201'), has('200', 'note')]).to.deep.equal([
      true,
      true,
      false,
      false,
    ])
    // Events as in the Event header, with parameters or without.
    expect([has('200', 'lamp;id=7'), has('200', 'lamp ; a=b')]).to.deep.equal([true, true])
    expect(await made.pubsub.presRefreshWatchers('200', 'lamp;id=7', 1)).to.equal(1)
    expect(await made.office.run('presence refreshWatchers 200 lamp;id=7 0')).to.equal('1 watchers are told')
    await made.sip.again(tx, { Expires: '0' })
    expect(has('200')).to.equal(false)
  })

  it('request_route', async () => {
    const asked: string[] = []
    const first = made.pubsub.onRequest(({ tx, endpoint }) => {
      asked.push(`first ${tx.request.method} ${endpoint.id}`)
      return false
    })
    made.pubsub.onRequest(({ tx }) => {
      asked.push('second')
      if (tx.request.uri?.user !== '201') return false
      tx.answer({ status: 480, reason: 'At Lunch' })
      return true
    })
    const [taken, usual] = [await made.sip.subscribe('201'), await made.sip.subscribe('200')]
    expect([taken.status, usual.status]).to.deep.equal([480, 200])
    expect(asked).to.deep.equal(['first SUBSCRIBE 100', 'second', 'first SUBSCRIBE 100', 'second'])
    await first()
    await made.sip.publish('100', 'on')
    expect(asked.slice(4)).to.deep.equal(['second'])
  })

  it('presence.refreshWatchers', async () => {
    const tx = await made.sip.subscribe('200')
    await settled()
    expect(await made.office.run('presence refreshWatchers sip:200@pbx.example lamp 1')).to.equal('1 watchers are told')
    await settled()
    expect(tx.dialog.notifies).to.have.length(2)
    for (const wrong of ['200 lamp', '200 lamp 3', '200 lantern 1', '200 lamp 2'])
      await refused(`presence refreshWatchers ${wrong}`)
  })

  it('presence.updateWatchers', async () => {
    addNote({ reqAuth: true, getAuthStatus: () => status })
    await read()
    status = 'pending'
    expect(await made.office.run('presence updatewatchers 100 note')).to.equal('1 watchers have another status now')
    await refused('presence updateWatchers 100')
  })

  it('presence.cleanup', async () => {
    await made.sip.subscribe('200')
    await made.sip.publish('100', 'on')
    const clean = '0 subscriptions, 0 publications and 0 watchers were left over and are taken away'
    expect(await made.office.run('presence cleanup')).to.equal(clean)
    expect([...made.pubsub.subscriptions, ...made.pubsub.allPublications]).to.have.length(2)
  })

  it('presence.presentity_list', async () => {
    // Also where there is nothing to list.
    await refused('presence presentity_list all')
    await made.sip.publish('100', 'on')
    const basic = await made.office.run('presence presentity_list')
    expect(basic).to.include('100@pbx.example').and.include('1 publications').and.not.include('\non')
    expect(await made.office.run('presence presentity_list full')).to.include('\non\n')
    await refused('presence presentity_list all')
  })

  it('presence.presentity_show', async () => {
    await made.sip.publish('100', 'on')
    const count = async (args: string): Promise<string | undefined> =>
      (await made.office.run(`presence presentity_show ${args}`)).split('\n').at(-1)
    expect(await count('basic 100')).to.equal('1 publications')
    expect(await count('full * pbx.example')).to.equal('1 publications')
    expect(await count('full * elsewhere')).to.equal('0 publications')
    expect(await count('basic 101 *')).to.equal('0 publications')
    await refused('presence presentity_show basic')
  })

  it('presence.watcher_list', async () => {
    const { request } = await made.sip.subscribe('200')
    const basic = await made.office.run('presence watcher_list basic sip:200@pbx.example')
    expect(basic).to.equal('sip:100@pbx.example  lamp  active  expires in 600 s\n1 watchers')
    expect(await made.office.run('presence watcher_list full 200')).to.include(request.callId)
    expect(await made.office.run('presence watcher_list full 201')).to.equal('0 watchers')
    await refused('presence watcher_list 200')
  })

  it('$subs', async () => {
    const route = '<sip:proxy.example;lr>'
    const tx = await made.sip.subscribe('200', { Event: 'lamp;id=7', 'Record-Route': route })
    await settled()
    const subs: Subs = made.pubsub.subs(watching())
    const { dialog, request } = tx
    const shown = Object.fromEntries(NAMES_OF_SUBS.map((name) => [name, subs[name]]))
    expect(shown).to.deep.equal({
      uri: 'sip:200@pbx.example',
      pres_uri: 'sip:200@pbx.example',
      to_user: '200',
      to_domain: 'pbx.example',
      from_user: '100',
      from_domain: 'pbx.example',
      watcher_username: '100',
      watcher_domain: 'pbx.example',
      event: 'lamp',
      event_id: '7',
      to_tag: dialog.localTag,
      from_tag: request.from.tag,
      callid: request.callId,
      remote_cseq: 1,
      local_cseq: 1,
      contact: 'sip:100@192.0.2.7:5062',
      local_contact: '',
      record_route: dialog.record().routeSet.join(','),
      expires: 600,
      status: 'active',
      reason: '',
      version: 1,
      flags: 0,
      user_agent: 'Phone/1.0',
    })
    watching().terminate('giveup')
    expect([subs.status, subs.reason]).to.deep.equal(['terminated', 'giveup'])
  })

  it('$notify_reply', async () => {
    const seen: [number, string, string, number, string, string | undefined][] = []
    const ends: unknown[] = []
    made.pubsub.on('notify-reply', ({ notify_reply: reply }) => {
      seen.push([reply.rs, reply.rr, reply.rm, reply.ml > 0 ? reply.cs : 0, reply.ct, reply.hdr('X-Mood')])
      const { fu, fU, fd, fn, tu, tU, td, tn } = reply
      ends.push({ fu, fU, fd, fn, tu, tU, td, tn })
    })
    made.sip.autoAnswer = undefined
    const tx = await made.sip.subscribe('200')
    await settled()
    tx.dialog.last.answer(503, [['X-Mood', 'tired']])
    await made.sip.again(tx)
    await settled()
    tx.dialog.last.timeout()
    expect(seen).to.deep.equal([
      [503, 'Whatever', 'NOTIFY', 1, '', 'tired'],
      [408, 'Request Timeout', 'NOTIFY', 0, '', undefined],
    ])
    // Of the reply as it came; where none did, of the dialog.
    const us = { fu: 'sip:200@pbx.example', fU: '200', fd: 'pbx.example', fn: '' }
    expect(ends).to.deep.equal([
      { fu: 'sip:a@b', fU: 'a', fd: 'b', fn: '', tu: 'sip:c@d', tU: 'c', td: 'd', tn: '' },
      { ...us, tu: 'sip:100@pbx.example', tU: '100', td: 'pbx.example', tn: '' },
    ])
  })

  it('tm:local-request', async () => {
    const told: unknown[] = []
    const undo = made.pubsub.on('local-request', ({ subs, headers, body }) => {
      const state = headers.find(([name]) => name === 'Subscription-State')?.[1]
      told.push([subs.watcher_username, state, body?.content, made.sip.wire.includes('NOTIFY 1')])
    })
    await made.sip.subscribe('200')
    await settled()
    expect(told).to.deep.equal([['100', 'active;expires=600', 'off', false]])
    await undo()
    made.lamps.set('200', 'on')
    await settled()
    expect(told).to.have.length(1)
  })

  it('presence:notify-reply', async () => {
    made.sip.autoAnswer = 503
    const ends: string[] = []
    made.pubsub.on('notify-reply', ({ subs, notify_reply, drop }) => {
      ends.push(`${subs.event} ${notify_reply.rs}`)
      if (notify_reply.rs === 503) drop()
    })
    const tx = await made.sip.subscribe('200')
    await settled()
    expect(ends).to.deep.equal(['lamp 503'])
    expect([...made.pubsub.subscriptions]).to.deep.equal([])
    expect(tx.dialog.notifies).to.have.length(1)
    expect(tx.dialog.disposed).to.equal(true)
  })

  it('a module that fails at a fact is told so, and keeps nothing from its way', async () => {
    const seen: string[] = []
    for (const fact of ['local-request', 'notify-reply'] as const) {
      made.pubsub.on(fact, () => {
        throw new Error('broken')
      })
      made.pubsub.on(fact, () => seen.push(fact))
    }
    const tx = await made.sip.subscribe('200')
    await settled()
    made.lamps.set('200', 'on')
    await settled()
    expect(tx.dialog.notifies.map(({ text }) => text)).to.deep.equal(['off', 'on'])
    expect(seen).to.deep.equal(['local-request', 'notify-reply', 'local-request', 'notify-reply'])
    expect(made.office.logged).to.include('ERROR a module failed at notify-reply: broken')
  })

  it('bind_presence', () => {
    expect(made.office.loader.api('res_pjsip_pubsub')).to.equal(made.pubsub)
  })

  it('add_event', async () => {
    const undo = addNote()
    expect(() => addNote()).to.throw('has a handler already')
    const tx = await read()
    expect([tx.dialog.last.text, tx.dialog.last.body]).to.deep.equal(['', undefined])
    await note('back at ten')
    await settled()
    expect([tx.dialog.last.text, tx.dialog.last.body?.contentType]).to.deep.equal(['back at ten', NOTE])
    await undo()
    expect((await note('gone')).status).to.equal(489)
    expect((await read()).status).to.equal(489)
    addNote()
  })

  it('an added event is watched of whatever it may be published about, before that too', async () => {
    await made.office.close()
    made = await lampOffice({
      endpoints: { 100: { allow_publish: 'any' } },
      hints: { '300@default': ['Custom:gate'] },
    })
    addNote()
    const watch = (of: string): Promise<FakeTransaction> => made.sip.subscribe(of, { Event: 'note' })
    const gate = await watch('300')
    expect([gate.status, (await watch('301')).status]).to.deep.equal([200, 404])
    const about = (who: string): Promise<FakeTransaction> =>
      made.sip.publish(who, 'closed', { Event: 'note', 'Content-Type': NOTE })
    expect([(await about('300')).status, (await about('301')).status]).to.deep.equal([200, 404])
    await settled()
    expect(gate.dialog.last.text).to.equal('closed')
  })

  it('pres_ev_t', async () => {
    made.pubsub.eventPackage(new Lamps('taken'))
    expect(() => made.pubsub.addEvent({ event: 'taken', accept: [NOTE] })).to.throw('has a package already')
    // What was registered before that is taken back.
    await settled()
    expect((await made.sip.publish('100', 'x', { Event: 'taken', 'Content-Type': NOTE })).status).to.equal(489)
  })

  it('name', async () => {
    addNote()
    expect(made.pubsub.events).to.include('note')
    expect((await read({ Event: 'Note' })).status).to.equal(489)
  })

  it('evp', () => {
    addNote()
    const event = parseEvent('note;id=7')
    expect(event).to.deep.include({ event: 'note', id: '7' })
    expect(event && made.pubsub.searchEvent(event)?.event).to.equal('note')
  })

  it('content_type', async () => {
    addNote()
    expect((await note('x', { 'Content-Type': TEXT })).header('Accept')).to.equal(NOTE)
    expect((await read({ Accept: TEXT })).status).to.equal(406)
    expect((await read({ Accept: NOTE })).status).to.equal(200)
  })

  it('default_expires', async () => {
    addNote({ defaultExpires: 90 })
    expect((await note('x', { Expires: undefined })).header('Expires')).to.equal('90')
    expect((await read({ Expires: undefined })).header('Expires')).to.equal('90')
  })

  it('type', async () => {
    addNote()
    expect(made.pubsub.containsEvent('note.winfo')?.winfo).to.not.equal(true)
    expect(made.pubsub.containsEvent('note')?.event).to.equal('note')
  })

  it('wipeer', () => {
    addNote({ winfo: false })
    expect(made.pubsub.containsEvent('note')?.winfo).to.equal(false)
    expect(made.pubsub.containsEvent('note.winfo')).to.equal(undefined)
  })

  it('etag_not_new', async () => {
    addNote({ etagNotNew: true })
    const first = await note('a')
    const again = await note('b', { 'SIP-If-Match': first.header('SIP-ETag') })
    expect([again.status, again.header('SIP-ETag')]).to.deep.equal([200, first.header('SIP-ETag')])
  })

  it('req_auth', async () => {
    const asked: string[] = []
    const getAuthStatus = (resource: string): AuthStatus => {
      asked.push(resource)
      return 'terminated'
    }
    const undo = addNote({ getAuthStatus })
    expect((await read()).status).to.equal(200)
    expect(asked).to.deep.equal([])
    await undo()
    addNote({ reqAuth: true, getAuthStatus })
    expect((await read()).status).to.equal(403)
    expect(asked.at(-1)).to.equal('100')
  })

  it('get_rules_doc', async () => {
    const seen: unknown[] = []
    addNote({
      reqAuth: true,
      getRulesDoc: async (resource) => `rules of ${resource}`,
      getAuthStatus: (...args) => {
        seen.push(args)
        return 'active'
      },
    })
    await read()
    expect(seen[0]).to.deep.equal(['100', 'sip:100@pbx.example', 'rules of 100'])
  })

  it('get_auth_status', async () => {
    addNote({ reqAuth: true, getAuthStatus: () => status })
    status = 'pending'
    const tx = await read()
    expect(tx.dialog.last.state).to.equal('pending;expires=600')
  })

  it('apply_auth_nbody', async () => {
    addNote({
      reqAuth: true,
      getRulesDoc: () => 'no names',
      getAuthStatus: () => 'active',
      applyAuthNbody: (body, subscription, rules) => `${body} for ${subscription.watcher}, ${rules}`,
    })
    await note('in')
    expect((await read()).dialog.last.text).to.equal('in for sip:100@pbx.example, no names')
  })

  it('agg_nbody', async () => {
    addNote({ aggNbody: (resource, bodies) => `${resource}: ${[...bodies].sort().join(' and ')}` })
    const home = await note('at home')
    await note('asleep')
    expect((await read()).dialog.last.text).to.equal('100: asleep and at home')
    await note('', { 'SIP-If-Match': home.header('SIP-ETag'), Expires: '0' })
    expect((await read()).dialog.last.text).to.equal('100: asleep')
  })

  it('aux_body_processing', async () => {
    addNote({ auxBodyProcessing: (body, { id }) => `${body} #${id}` })
    await note('in')
    const tx = await read()
    expect(tx.dialog.last.text).to.equal(`in #${watching('100').id}`)
  })

  it('evs_publ_handl', async () => {
    addNote({ evsPublHandl: ({ body }) => (body.length > 5 ? { status: 413, reason: 'Too Long' } : undefined) })
    expect((await note('too long')).status).to.equal(413)
    expect((await note('good')).status).to.equal(200)
  })

  it('evs_subs_handl', async () => {
    let isOpen = false
    addNote({
      evsSubsHandl: (_request, resource) => (isOpen ? undefined : { status: 480, reason: `${resource} Closed` }),
    })
    const refusedOne = await read()
    expect([refusedOne.status, refusedOne.given?.reason]).to.deep.equal([480, '100 Closed'])
    isOpen = true
    const tx = await read()
    isOpen = false
    expect((await made.sip.again(tx)).status).to.equal(480)
  })

  it('contains_event', () => {
    const { pubsub } = made
    expect(pubsub.containsEvent('lamp;id=3')?.event).to.equal('lamp')
    expect(pubsub.containsEvent('lantern')).to.equal(undefined)
    expect(pubsub.containsEvent('')).to.equal(undefined)
  })

  it('search_event', () => {
    for (const event of ['dialog', 'dialog;sla']) made.pubsub.eventPackage(new Lamps(event))
    const search = (text: string): string | undefined => {
      const event = parseEvent(text)
      return event && made.pubsub.searchEvent(event)?.event
    }
    const found = ['lamp;red', 'dialog', 'dialog;sla;id=1', 'dialog;id=1', 'lantern'].map(search)
    expect(found).to.deep.equal(['lamp', 'dialog', 'dialog;sla', 'dialog', undefined])
  })

  it('get_event_list', () => {
    made.pubsub.eventPackage(new Lamps('other'))
    expect(made.pubsub.getEventList()).to.equal('lamp, other')
  })

  it('update_watchers_status', async () => {
    addNote({ reqAuth: true, getAuthStatus: () => status })
    const tx = await read()
    status = 'terminated'
    expect(await made.pubsub.updateWatchersStatus('100', 'note')).to.equal(1)
    await settled(8)
    expect(tx.dialog.last.state).to.equal('terminated;reason=rejected')
    const doc = ruleset({ conditions: one('sip:friend@pbx.example'), handling: 'allow' })
    expect(await failure(made.pubsub.updateWatchersStatus('100', 'note', doc))).to.include('nobody keeps rules')
    await made.office.load(res_pjsip_presence_rules)
    made.pubsub.addEvent({ event: 'secret', accept: [NOTE], reqAuth: true })
    const secret = await made.sip.subscribe('101', { Event: 'secret' })
    await settled()
    expect(await made.pubsub.updateWatchersStatus('sip:101@pbx.example', 'secret', doc)).to.equal(1)
    await settled(8)
    expect(secret.dialog.last.state).to.equal('terminated;reason=rejected')
    expect(await failure(made.pubsub.updateWatchersStatus('101', 'secret', '<rules'))).to.not.equal('')
  })

  it('get_sphere', async () => {
    const pidf = (sphere: string): string =>
      `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" entity="sip:100@x"><tuple id="a"><status><basic>open</basic></status></tuple><dm:person id="p"><r:sphere>${sphere}</r:sphere></dm:person></presence>`
    await made.office.load(res_pjsip_exten_state)
    const say = (body: string): Promise<FakeTransaction> =>
      made.sip.publish('100', body, { Event: 'presence', 'Content-Type': 'application/pidf+xml' })
    expect(made.pubsub.getSphere('sip:100@x')).to.equal(undefined)
    const tx = await say(pidf('<r:work/>'))
    expect(made.pubsub.getSphere('sip:100@x')).to.equal('work')
    await made.sip.publish('100', pidf('at sea'), {
      Event: 'presence',
      'Content-Type': 'application/pidf+xml',
      'SIP-If-Match': tx.header('SIP-ETag'),
    })
    expect(made.pubsub.getSphere('100')).to.equal('at sea')
  })

  it('get_presentity', async () => {
    addNote()
    await note('in')
    const { pubsub } = made
    expect(await pubsub.getPresentity('sip:100@pbx.example', 'note')).to.equal('in')
    expect(await pubsub.getPresentity('200', 'lamp')).to.equal('off')
    expect(await pubsub.getPresentity('none', 'lamp')).to.equal(undefined)
    expect(await pubsub.getPresentity('100', 'lantern')).to.equal(undefined)
    expect(made.lamps.watchers('200')).to.equal(0)
  })

  it('the presentity of getPresentity need be no endpoint, and its hint in no certain context', async () => {
    await made.office.close()
    made = await lampOffice({
      endpoints: { 100: { hintContext: 'internal', allow_publish: 'any' } },
      hints: { '300@internal': ['Custom:gate'], '100@doors': ['Custom:gate'], '300@doors': ['Custom:other'] },
    })
    const { pubsub, office } = made
    await office.load(res_pjsip_exten_state, res_pjsip_dialog_info_body_generator, res_pjsip_pidf_body_generator)
    office.core.devices.set('pbx1', 'Custom:gate', 'RINGING')
    const busy = (await pubsub.getPresentity('sip:300@pbx.example', 'dialog')) ?? ''
    expect(busy).to.include('<state>early</state>')
    expect(await pubsub.getPresentity('300', 'presence')).to.include('<note xml:lang="en">Ringing</note>')
    expect(await pubsub.getPresentity('301', 'dialog')).to.equal(undefined)
    // What is published comes in addition to the hint, and does not take its place.
    const open = '<tuple id="a"><status><basic>open</basic></status></tuple>'
    const document = `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:300@x">${open}</presence>`
    const published = await made.sip.publish('300', document, {
      Event: 'presence',
      'Content-Type': 'application/pidf+xml',
    })
    expect(published.status).to.equal(200)
    expect(await pubsub.getPresentity('300', 'presence'))
      .to.include('>Ringing<')
      .and.include('<tuple id="a">')
  })

  it('new_shtable', async () => {
    for (const id of ['1', '2', '3']) await made.sip.subscribe('200', { Event: `lamp;id=${id}` })
    expect([...made.pubsub.subscriptions]).to.have.length(3)
  })

  it('destroy_shtable', async () => {
    await made.sip.subscribe('200')
    await made.office.loader.unload('res_pjsip_pubsub')
    const pubsub: Pubsub = await made.office.load(res_pjsip_pubsub)
    expect([...pubsub.subscriptions].map(({ resource }) => resource)).to.deep.equal(['200'])
  })

  it('insert_shtable', async () => {
    const told: string[] = []
    made.pubsub.onSubscription((what, { resource }) => told.push(`${what} ${resource}`))
    await made.sip.subscribe('200')
    expect(told.at(-1)).to.equal('established 200')
    expect(watching().resource).to.equal('200')
  })

  it('search_shtable', async () => {
    const tx = await made.sip.subscribe('200')
    expect(await made.office.run(`pjsip show subscription inbound ${tx.request.callId}`)).to.include('200')
  })

  it('delete_shtable', async () => {
    const tx = await made.sip.subscribe('200')
    await settled()
    watching().terminate('noresource')
    await settled()
    expect(tx.dialog.last.state).to.equal('terminated;reason=noresource')
    expect([...made.pubsub.subscriptions]).to.deep.equal([])
  })

  it('update_shtable', async () => {
    const tx = await made.sip.subscribe('200')
    const before = watching()
    await made.sip.again(tx, { Expires: '60' })
    expect(watching()).to.equal(before)
    expect(before.expires).to.be.closeTo(Date.now() + 60_000, 2000)
  })

  it('mem_copy_subs', async () => {
    await made.sip.subscribe('200')
    await settled()
    const subs = made.pubsub.subs(watching())
    watching().notify()
    await settled()
    expect(subs.local_cseq).to.equal(2)
  })

  it('update_db_subs', async () => {
    const tx = await made.sip.subscribe('200', { Event: 'lamp;id=7' })
    await settled()
    await made.office.store.flush()
    const table = await made.office.store.table<Row>({ ...OWN_ROWS, name: 'active_watchers' })
    const rows = await table.select({})
    expect(rows.map(({ to_tag: tag, event_id: id }) => [tag, id])).to.deep.equal([[tx.dialog.localTag, '7']])
  })

  it('extract_sdialog_info', async () => {
    const tx = await made.sip.subscribe('200')
    expect(watching().dialog).to.equal(tx.dialog)
    expect(made.pubsub.subs(watching()).callid).to.equal(tx.request.callId)
  })

  testReadmeNames("What Kamailio's manual calls it")

  async function failure(work: Promise<unknown>): Promise<string> {
    return work.then(
      () => '',
      (error: unknown) => (error instanceof Error ? error.message : ''),
    )
  }

  async function refused(line: string): Promise<void> {
    const answer = await made.office.run(line).then(
      () => 'no error',
      (error: unknown) => (error instanceof Error ? error.message : ''),
    )
    expect(answer, line).to.match(/expected|needs|which|whose|there is no/)
  }
})

const NAMES_OF_SUBS = [
  'uri',
  'pres_uri',
  'to_user',
  'to_domain',
  'from_user',
  'from_domain',
  'watcher_username',
  'watcher_domain',
  'event',
  'event_id',
  'to_tag',
  'from_tag',
  'callid',
  'remote_cseq',
  'local_cseq',
  'contact',
  'local_contact',
  'record_route',
  'expires',
  'status',
  'reason',
  'version',
  'flags',
  'user_agent',
] as const satisfies readonly (keyof Subs)[]
