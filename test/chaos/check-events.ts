import { Webhook } from 'standardwebhooks'
import { type EventEvidence, idOf } from './event-evidence.ts'
import type { EventRows, ReceiverRecord, WebhookRecord } from './event-records.ts'
import type { Evidence } from './evidence.ts'
import type { Violation } from './invariants.ts'
import { DELIVERY_LEASE_MS, RETRIES } from './quick-pauses.ts'

type Row = EventRows['events'][number]

/** For what was signed before its secret ended, and sent late: by a node that stood still, or on a busy machine. */
const SIGNED_LATE_MS = 15_000
/** As the package `standardwebhooks` has it. */
const TOLERANCE_MS = 300_000
/** The only event that is of no order and no payment: its object is random. */
const OF_AN_ENDPOINT = 'webhook_endpoint.disabled'

/** Invariants 14 to 19: events and webhooks. */
export function checkEvents(evidence: Evidence): Violation[] {
  const { events } = evidence
  if (events === undefined) return []
  return [
    ...unlikeChanges(evidence, events),
    ...otherBytes(events),
    ...misread(events),
    ...undelivered(events),
    ...notCommitted(events),
    ...badlySigned(events),
    ...outOfOrder(events),
  ]
}

/** 14: each order and each settled payment has its event, once, and no event is without its change. */
function unlikeChanges({ rows }: Evidence, { rows: { events } }: EventEvidence): Violation[] {
  const found: Violation[] = []
  const say = (what: string) => found.push({ invariant: 14, what })
  const counts = new Map<string, number>()
  for (const event of events) {
    const name = `${event.client} ${event.object} ${event.type}`
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  const take = (name: string) => {
    const count = counts.get(name) ?? 0
    counts.delete(name)
    return count
  }
  for (const { client, id } of rows.orders) {
    const count = take(`${client} ${id} order.created`)
    if (count !== 1) say(`order ${id} of ${client} has ${count} events`)
  }
  for (const { client, id, state } of rows.payments) {
    for (const type of ['completed', 'declined']) {
      const count = take(`${client} ${id} payment.${type}`)
      const right = state === type ? 1 : 0
      if (count !== right)
        say(`payment ${id} of ${client} is ${state}, and has ${count} events payment.${type}`)
    }
    const unknown = take(`${client} ${id} payment.unknown`)
    if (unknown > 1) say(`payment ${id} of ${client} has ${unknown} events payment.unknown`)
    if (state === 'unknown' && unknown === 0) say(`payment ${id} of ${client} is unknown, and has no event`)
  }
  for (const [name, count] of counts) {
    if (!name.endsWith(OF_AN_ENDPOINT)) say(`${name} is an event without its change`)
    else if (count > 1) say(`${name} is there ${count} times`)
  }
  return found
}

/** 14: the same bytes wherever it is shown. */
function otherBytes({ webhooks, pages }: EventEvidence): Violation[] {
  const shas = new Map<string, string>()
  const found = new Map<string, Violation>()
  const see = (id: string, sha: string, where: string) => {
    if (sha === '') return
    const first = shas.get(id) ?? sha
    shas.set(id, first)
    if (first !== sha) found.set(id, { invariant: 14, what: `${id} has other bytes at ${where}` })
  }
  for (const { reader, events } of pages) for (const [id, sha] of events) see(id, sha, `reader ${reader}`)
  for (const { id, sha, receiver } of webhooks) see(id, sha, `receiver ${receiver}`)
  return [...found.values()]
}

/** 15: what a reader saw is what there is, in its order; from where it began. */
function misread({ rows, pages }: EventEvidence): Violation[] {
  const found: Violation[] = []
  const readers = new Map<string, { client: string; from: string; type: string | undefined; ids: string[] }>()
  for (const { reader, client, from, type, events } of pages) {
    const one = readers.get(reader) ?? { client, from, type, ids: [] }
    readers.set(reader, one)
    for (const [id] of events) one.ids.push(id)
  }
  for (const [name, { client, from, type, ids }] of readers) {
    const own = rows.events.filter(
      (row) => row.client === client && (type === undefined || row.type === type),
    )
    const all = own.map(idOf)
    const begin = from === '' ? 0 : Math.max(0, all.indexOf(ids[0] ?? ''))
    const wanted = from === 'now' && ids.length === 0 ? [] : all.slice(begin)
    const seen = new Set(ids)
    const there = new Set(all)
    const missed = wanted.filter((id) => !seen.has(id))
    const say = (what: string) => found.push({ invariant: 15, what: `reader ${name} ${what}` })
    if (missed.length > 0)
      say(`missed ${missed.length} of ${wanted.length} events, the first is ${missed[0]}`)
    if (seen.size !== ids.length) say(`saw ${ids.length - seen.size} events more than once`)
    const invented = ids.filter((id) => !there.has(id))
    if (invented.length > 0)
      say(`saw ${invented.length} events that are not there, the first is ${invented[0]}`)
    if (missed.length + invented.length === 0 && seen.size === ids.length) {
      const at = ids.findIndex((id, n) => id !== wanted[n])
      if (at >= 0) say(`saw ${ids[at]} out of order`)
    }
  }
  return found
}

/** 16: each event reached each endpoint, or is on record as failed: after all of its attempts, or since it was disabled. */
function undelivered({ rows, receivers, webhooks }: EventEvidence): Violation[] {
  const found: Violation[] = []
  const reached = new Set(
    webhooks
      .filter(({ status }) => status >= 200 && status < 300)
      .map(({ receiver, id }) => `${receiver} ${id}`),
  )
  const deliveries = new Map(rows.deliveries.map((row) => [`${row.endpoint} ${idOf(row)}`, row] as const))
  const states = new Map(rows.endpoints.map(({ id, state }) => [id, state]))
  for (const receiver of receivers) {
    for (const event of eventsOf(rows.events, receiver)) {
      const id = idOf(event)
      if (reached.has(`${receiver.n} ${id}`)) continue
      const row = deliveries.get(`${receiver.id} ${id}`)
      if (row?.state === 'failed' && (row.failures > RETRIES || row.error === 'the endpoint was disabled'))
        continue
      if (row === undefined && states.get(receiver.id) === 'disabled') continue
      const what =
        row === undefined
          ? 'there is no delivery'
          : `its delivery is ${row.state} after ${row.attempts} attempts`
      found.push({ invariant: 16, what: `${id} did not reach endpoint ${receiver.n}; ${what}` })
    }
  }
  return found
}

/** Those that an endpoint is to get; it was there before all of them. */
function eventsOf(events: readonly Row[], { client, id, types }: ReceiverRecord): Row[] {
  return events.filter(
    (row) => row.client === client && (types === null || types.includes(row.type)) && row.endpoint !== id,
  )
}

/** 17: whatever arrived is an event of the client that the endpoint belongs to, and came to no other place. */
function notCommitted({ rows, receivers, webhooks }: EventEvidence): Violation[] {
  const found: Violation[] = []
  const wanted = new Map(receivers.map((one) => [one.n, new Set(eventsOf(rows.events, one).map(idOf))]))
  for (const { receiver, id } of webhooks) {
    const own = wanted.get(receiver)
    if (own === undefined) found.push({ invariant: 17, what: `${id} came to where a redirect leads` })
    else if (!own.has(id)) {
      found.push({
        invariant: 17,
        what: `${id || 'something'} came to endpoint ${receiver}, and is no event for it`,
      })
    }
  }
  return found
}

/** 18. */
function badlySigned({ receivers, webhooks }: EventEvidence): Violation[] {
  const found: Violation[] = []
  const byNumber = new Map(receivers.map((one) => [one.n, one]))
  for (const one of webhooks) {
    const receiver = byNumber.get(one.receiver)
    if (receiver === undefined || one.sha === '') continue
    const fault = signatureFault(receiver, one)
    if (fault !== undefined)
      found.push({ invariant: 18, what: `${one.id} at endpoint ${receiver.n}: ${fault}` })
  }
  return found
}

function signatureFault({ secrets, unknown }: ReceiverRecord, one: WebhookRecord): string | undefined {
  const seconds = Number(one.timestamp)
  if (!/^\d{9,11}$/.test(one.timestamp) || Math.abs(seconds * 1_000 - one.wall) > TOLERANCE_MS) {
    return `its time is ${one.timestamp}, and it came at ${Math.round(one.wall / 1_000)}`
  }
  const signatures = one.signature.split(' ')
  const signer = secrets.find(({ secret }) =>
    signatures.includes(new Webhook(secret).sign(one.id, new Date(seconds * 1_000), one.body ?? '')),
  )
  if (signer === undefined) {
    if (unknown.some(({ from, to }) => one.at >= from && one.at <= to + SIGNED_LATE_MS)) return undefined
    return 'its signature is by no secret of the endpoint'
  }
  const { from, until } = signer
  if (one.at < from || (until !== null && one.at > until + SIGNED_LATE_MS)) {
    return 'its signature is by a secret that was not in force'
  }
  return undefined
}

/**
 * 19: a later event of a payment came first, before a lease of the earlier one can have ended: the earlier one had not been
 * tried. By the clock of the database, which is that of the receivers.
 */
function outOfOrder({ rows, receivers, webhooks }: EventEvidence): Violation[] {
  const found: Violation[] = []
  const first = new Map<string, WebhookRecord>()
  for (const one of webhooks) {
    const name = `${one.receiver} ${one.id}`
    if (!first.has(name)) first.set(name, one)
  }
  const byObject = new Map<string, Row[]>()
  for (const row of rows.events) byObject.set(row.object, [...(byObject.get(row.object) ?? []), row])
  for (const [earlier, later] of byObject.values()) {
    if (earlier === undefined || later === undefined) continue
    for (const { n } of receivers) {
      const one = first.get(`${n} ${idOf(later)}`)
      const before = first.get(`${n} ${idOf(earlier)}`)
      if (one === undefined || (before !== undefined && before.at <= one.at)) continue
      if (one.wall >= earlier.at + DELIVERY_LEASE_MS) continue
      found.push({ invariant: 19, what: `${idOf(later)} came to endpoint ${n} before ${idOf(earlier)}` })
    }
  }
  return found
}
