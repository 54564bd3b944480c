/** Why ours is right where it differs from Kamailio. A difference belongs to the first reason that fits both sides of it. */

export interface Reason {
  readonly what: string
  readonly why: string
  readonly ours: RegExp
  readonly theirs: RegExp
}

export const REASONS: readonly Reason[] = [
  {
    what: 'A lamp that nobody has said anything about',
    why: 'The NOTIFY that follows a SUBSCRIBE carries the state (RFC 6665 4.2.1.2), and of these events all of it (RFC 4235 3.7, RFC 3842, RFC 3856). Phones that get no body keep showing what they showed before, so a lamp stays lit after its publication is gone. Kamailio has force_dummy_presence and force_dummy_dialog for the same end, off by default.',
    ours: /^NOTIFY .*(<presence [^>]*\/>|<dialog-info [^>]*\/>|Messages-Waiting: no\nVoice-Message: 0\/0 \(0\/0\))$/s,
    theirs: /^NOTIFY .*, no body$/,
  },
  {
    what: 'A PUBLISH that only says that it is still so',
    why: 'RFC 3903 4.3 lets a refresh change nothing but the expiry, so there is nothing new to tell. Kamailio tells its watchers, and with `publ_cache` 2 without a body, which puts their lamps out until the next change.',
    ours: /^no NOTIFY$/,
    theirs: /^NOTIFY .*, active;expires=600, no body$/,
  },
  {
    what: 'Packages that are offered',
    why: 'Allow-Events names what there is here (RFC 6665 8.2.2): each package with its watcher information, and reg. `xcap-diff` is a matter of an XCAP server, and there is none.',
    ours: /: 489; allow-events: /,
    theirs: /: 489; allow-events: .*xcap-diff$/,
  },
  {
    what: 'SUBSCRIBE without Contact',
    why: 'The request is at fault, not the server (RFC 3261 12.1.2 makes Contact mandatory, 21.4.1 gives the answer).',
    ours: /: 400$/,
    theirs: /: 500$/,
  },
  {
    what: 'Accept with nothing that fits',
    why: 'RFC 3261 21.4.7: 406, with what there is. Kamailio sends such a phone bodies that it cannot read.',
    ours: /: 406; accept: /,
    theirs: /: 200; /,
  },
  {
    what: 'A CSeq that goes back',
    why: 'RFC 3261 12.2.2 says 500.',
    ours: /^an old CSeq: 500$/,
    theirs: /^an old CSeq: 400$/,
  },
  {
    what: 'Event with an id',
    why: 'RFC 6665 8.2.1: the id is a parameter of any event, and comes back in each NOTIFY. Kamailio 5.6 knows no event of that name.',
    ours: /^SUBSCRIBE: 200; expires: 600$|^NOTIFY dialog;id=7, /,
    theirs: /: 489; |^no NOTIFY$/,
  },
  {
    what: 'A second subscription in the dialog of the first',
    why: 'RFC 6665 4.5.1 forbids to make one; in this dialog there is no such subscription to refresh.',
    ours: /^second in the dialog: 481$/,
    theirs: /^second in the dialog: 489; /,
  },
  {
    what: 'The order of what several have published',
    why: 'By priority, then the newest first, as `retrieve_order` describes it; dialogs stand by their Call-IDs behind those of Asterisk, so that the same publications make the same document in whatever order they came. Kamailio begins with the oldest for presence and with the newest for dialogs.',
    ours: /^NOTIFY (presence, .*<tuple id="mobile">.*<tuple id="desk">|dialog, .*id="call-1".*id="call-2")/s,
    theirs: /^NOTIFY (presence, .*<tuple id="desk">.*<tuple id="mobile">|dialog, .*id="call-2".*id="call-1")/s,
  },
  {
    what: 'Two that publish one mailbox',
    why: 'The newest says how the mailbox is now. Kamailio gives what was published first, until that expires.',
    ours: /^NOTIFY message-summary, .*Voice-Message: 3\/1 /s,
    theirs: /^NOTIFY message-summary, .*Voice-Message: 1\/0 /s,
  },
  {
    what: 'Headers of single messages in a message summary',
    why: 'The summary that is sent is made of all that is known of the mailbox, which has counts alone; the headers of messages behind them are optional (RFC 3842 5.2), and no lamp shows them. Kamailio passes on what was published.',
    ours: /^NOTIFY message-summary, .*Voice-Message: 1\/0 \(0\/0\)\s*$/s,
    theirs: /^NOTIFY message-summary, .*Message-ID: /s,
  },
  {
    what: 'Bodies of a type that the event does not have',
    why: 'RFC 3903 6 step 5: 415 with Accept. Kamailio stores it, and gives it to the watchers.',
    ours: /^PUBLISH: 415; accept: /,
    theirs: /^PUBLISH: 200; /,
  },
  {
    what: 'Bodies that cannot be read',
    why: 'The type is a known one and its content is wrong, which is a bad request (RFC 3903 6 step 5, RFC 3261 21.4.1), with words that say what is wrong. Kamailio blames the type, or itself.',
    ours: /^PUBLISH: 400$/,
    theirs: /^PUBLISH: (415|500)$/,
  },
  {
    what: 'An entity-tag that was never given',
    why: 'RFC 3903 6 step 3: 412.',
    ours: /^PUBLISH: 412$/,
    theirs: /^PUBLISH: 500$/,
  },
  {
    what: 'PUBLISH for less than min_expires',
    why: 'RFC 3903 6 step 4: 423 with Min-Expires. Kamailio looks at min_expires in SUBSCRIBE only.',
    ours: /^PUBLISH: 423; min-expires: 2$/,
    theirs: /^PUBLISH: 200; expires: 1; /,
  },
  {
    what: 'A publication that begins anew',
    why: 'Who publishes presence or a mailbox without an entity-tag, and with the Contact (or the `+sip.instance`) of a publication that it has already, has lost its entity-tag in a restart: the new one takes the place of the old. Kamailio shows both until the old one expires.',
    ours: /^NOTIFY presence, ((?!id="before").)*<tuple id="after">/s,
    theirs: /^NOTIFY presence, .*<tuple id="before">.*<tuple id="after">/s,
  },
  {
    what: 'A publication that is taken back',
    why: 'It is over with the 200 (RFC 3903 4.5), and its watchers are told what is left. Kamailio tells them once more what was there before: a lamp stays lit until something else is published.',
    ours: /^NOTIFY dialog, ((?!call-1).)*$/s,
    theirs: /^NOTIFY dialog, .*(call-id="call-2".*call-id="call-1"|<dialog call-id="call-2"((?!<dialog ).)*$)/s,
  },
  {
    what: 'Dialogs of several publishers with one id',
    why: 'An id tells dialogs apart within one document alone (RFC 4235 4.1.2), and two publishers know nothing of those of the other: calls with two Call-IDs are two. Kamailio leaves out all but the newest.',
    ours: /^NOTIFY dialog, .*call-id="call-1".* id="d\.[0-9a-f]+".*call-id="call-2".* id="d\.[0-9a-f]+"/s,
    theirs: /^NOTIFY dialog, ((?!call-1).)* id="d">/s,
  },
  {
    what: 'What several say about the person',
    why: 'A presence document has at most one person (RFC 4479 3.2): what several say becomes one, with all activities. Kamailio puts one beside the other.',
    ours: /^NOTIFY presence, .*<rpid:busy \/>\s*<rpid:away \/>/s,
    theirs: /^NOTIFY presence, .*<\/dm:person>.*<\/dm:person>/s,
  },
  {
    what: 'The next call in a publication whose call is over',
    why: 'A change replaces what was published before (RFC 3903 4.4), whatever that was. Kamailio answers 200 to the first change and drops it, and 412 to the next, as the entity-tag of that 200 was never kept.',
    ours: /^PUBLISH: 200; expires: 600; with an entity-tag$|^NOTIFY dialog, .*id="call-2">\s*<state>confirmed/s,
    theirs: /^PUBLISH: 412$|^NOTIFY dialog, .*id="call-1">\s*<state>terminated/s,
  },
  {
    what: 'Taking back what was never published',
    why: 'Who takes back what is not there has what it wants: 200, and nothing is kept. Kamailio misses the body.',
    ours: /^PUBLISH: 200; expires: 0; with an entity-tag$/,
    theirs: /^PUBLISH: 400$/,
  },
  {
    what: 'What is wrong first',
    why: 'RFC 3903 6 looks at the event (step 2) before the expiry (step 4).',
    ours: /^PUBLISH: 489; allow-events: /,
    theirs: /^PUBLISH: 400$/,
  },
  {
    what: 'The end of a subscription that runs out',
    why: 'The last NOTIFY carries the state as each does (RFC 6665 4.2.1.2), so that a phone that asks for it again a moment later shows no gap.',
    ours: /^NOTIFY dialog, terminated;reason=timeout, application/,
    theirs: /^NOTIFY dialog, terminated;reason=timeout, no body$/,
  },
  {
    what: 'Shared lines',
    why: 'The phones of a line see its calls with their first NOTIFY and with each change (RFC 6665 4.2.1.2 and 4.2.1.3), and a publication can be taken back (RFC 3903 4.5). Kamailio 5.6 sends no body and no change to a phone that is not the one that publishes, and answers 500 to a PUBLISH without a body.',
    ours: /^NOTIFY dialog;sla, active;expires=600, application.*<dialog |^PUBLISH: 200; expires: 0; with an entity-tag$/s,
    theirs: /^NOTIFY dialog;sla, active;expires=600, no body$|^no NOTIFY$|^PUBLISH: 500$/,
  },
  {
    what: 'Who watches the watchers',
    why: 'The first NOTIFY carries all watchers there are (RFC 3857). Kamailio reads them from its table of watchers, which it does not have in memory.',
    ours: /^NOTIFY presence\.winfo, .*<watcher event="subscribe" id="ID" status="active">sip:bob@127\.0\.0\.1<\/watcher>/s,
    theirs: /^no NOTIFY$/,
  },
]
