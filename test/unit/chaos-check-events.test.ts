import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Webhook } from 'standardwebhooks'
import { checkEvents } from '../chaos/check-events.ts'
import { idOf } from '../chaos/event-evidence.ts'
import { objectsOf } from '../chaos/event-readers.ts'
import type { EventRows, PageRecord, ReceiverRecord, WebhookRecord } from '../chaos/event-records.ts'
import type { Evidence } from '../chaos/evidence.ts'
import type { Invariant } from '../chaos/invariants.ts'
import { quietRun } from './quiet-run.ts'

const ORDER = '019b76da-a800-7c3e-8f6e-5d1d2b0a9c11'
const PAYMENT = '019b76da-a800-7c3e-8f6e-5d1d2b0a9c12'
const SECRET = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
const OLDER = `whsec_${Buffer.alloc(32, 2).toString('base64')}`
const STARTED_MS = 1_767_225_600_000

type Row = EventRows['events'][number]
const row = (object: string, type: string, at = STARTED_MS): Row => ({
  client: 'ann',
  object,
  type,
  at,
  endpoint: null,
})
const PLACED = row(ORDER, 'order.created')
const UNKNOWN = row(PAYMENT, 'payment.unknown', STARTED_MS + 1_000)
const COMPLETED = row(PAYMENT, 'payment.completed', STARTED_MS + 2_000)
const ALL = [PLACED, UNKNOWN, COMPLETED]

const RECEIVER: ReceiverRecord = {
  n: 0,
  client: 'ann',
  id: 'e0',
  types: null,
  secrets: [
    { secret: OLDER, from: 0, until: 3_000 },
    { secret: SECRET, from: 2_000, until: null },
  ],
  unknown: [],
}

/** A webhook that came `ms` after the start. */
function came(event: Row, ms: number, more: Partial<WebhookRecord> = {}, secret = SECRET): WebhookRecord {
  const id = idOf(event)
  const wall = STARTED_MS + ms
  const body = `{"id":"${id}"}`
  return {
    at: ms,
    wall,
    receiver: 0,
    id,
    timestamp: String(Math.floor(wall / 1_000)),
    signature: new Webhook(secret).sign(id, new Date(wall), body),
    sha: `sha ${id}`,
    body,
    status: 200,
    mood: 'well',
    ...more,
  }
}

const page = (events: readonly Row[], more: Partial<PageRecord> = {}): PageRecord => ({
  at: 1,
  reader: 'ann-all',
  client: 'ann',
  from: '',
  events: events.map((event) => [idOf(event), `sha ${idOf(event)}`]),
  ...more,
})

const delivery = (event: Row, more: Partial<EventRows['deliveries'][number]> = {}) => ({
  endpoint: 'e0',
  object: event.object,
  type: event.type,
  state: 'delivered',
  attempts: 1,
  failures: 0,
  error: null,
  ...more,
})

interface Given {
  events?: Row[]
  webhooks?: WebhookRecord[]
  pages?: PageRecord[]
  deliveries?: EventRows['deliveries']
  endpointState?: string
  receiver?: Partial<ReceiverRecord>
  paymentState?: string
}

/** Of an order, and a payment that was unknown before it was completed: all of it right, unless it is given. */
function found({
  events = ALL,
  webhooks = [came(PLACED, 3_000), came(UNKNOWN, 3_100), came(COMPLETED, 3_200)],
  pages = [page(ALL)],
  deliveries = ALL.map((event) => delivery(event)),
  endpointState = 'enabled',
  receiver = {},
  paymentState = 'completed',
}: Given = {}): Invariant[] {
  const evidence: Evidence = {
    ...quietRun('events', () => 'canary'),
    rows: {
      orders: [
        {
          client: 'ann',
          key: 'k',
          id: ORDER,
          user_id: 'u',
          item: 'i',
          amount: 1,
          status: 201,
          sha: 's',
        },
      ],
      payments: [
        {
          client: 'ann',
          key: 'p',
          id: PAYMENT,
          state: paymentState,
          amount: 1,
          gateway_key: 'g',
          charge_id: 'ch',
          status: 200,
          sha: 's',
        },
      ],
      audit: [],
      auditFault: '',
    },
    done: [],
    exchanges: [],
    words: [],
    events: {
      rows: { events, endpoints: [{ client: 'ann', id: 'e0', state: endpointState }], deliveries },
      receivers: [{ ...RECEIVER, ...receiver }],
      webhooks,
      pages,
    },
  }
  return [...new Set(checkEvents(evidence).map(({ invariant }) => invariant))]
}

describe('the checker of events', () => {
  test('says nothing against a run in which all is right', () => {
    assert.deepEqual(found(), [])
  })

  test('14: finds a change without its event, with two of them, and an event without a change', () => {
    const others = (events: Row[]) =>
      found({ events, pages: [page(events)], webhooks: events.map((one) => came(one, 3_000)) })
    assert.deepEqual(others([UNKNOWN, COMPLETED]), [14])
    assert.deepEqual(others([PLACED, UNKNOWN]), [14])
    assert.deepEqual(others([...ALL, row(PAYMENT, 'payment.declined')]), [14])
    assert.deepEqual(others([...ALL, row('019b76da-a800-7c3e-8f6e-5d1d2b0a9c13', 'order.created')]), [14])
    assert.ok(others([...ALL, COMPLETED]).includes(14))
    assert.deepEqual(found({ paymentState: 'processing' }), [14])
  })

  test('14: finds other bytes at a reader, or at a receiver', () => {
    const other = page(ALL, { reader: 'ann-2', events: [[idOf(PLACED), 'other']] })
    assert.ok(found({ pages: [page(ALL), other] }).includes(14))
    const webhooks = [came(PLACED, 3_000), came(UNKNOWN, 3_100), came(COMPLETED, 3_200, { sha: 'other' })]
    assert.deepEqual(found({ webhooks }), [14])
  })

  test('15: finds what a reader missed, saw twice, saw in another order, or made up', () => {
    assert.deepEqual(found({ pages: [page([PLACED, COMPLETED])] }), [15])
    assert.deepEqual(found({ pages: [page(ALL), page([COMPLETED])] }), [15])
    assert.deepEqual(found({ pages: [page([PLACED, COMPLETED, UNKNOWN])] }), [15])
    assert.deepEqual(found({ pages: [page(ALL), page([row(PAYMENT, 'payment.declined')])] }), [15])
    assert.deepEqual(found({ pages: [page([COMPLETED], { type: 'payment.completed' })] }), [])
  })

  test('15: lets one that began in the middle miss what was before it, and nothing behind that', () => {
    const later = { reader: 'ann-1', from: 'now' } as const
    assert.deepEqual(found({ pages: [page([UNKNOWN, COMPLETED], later)] }), [])
    assert.deepEqual(found({ pages: [page([PLACED, COMPLETED], later)] }), [15])
  })

  test('16: finds an event that reached nobody and is not on record as failed', () => {
    const webhooks = [came(PLACED, 3_000), came(UNKNOWN, 3_100), came(COMPLETED, 3_200, { status: 500 })]
    const left = (more: Partial<EventRows['deliveries'][number]>) =>
      found({ webhooks, deliveries: [delivery(COMPLETED, more)] })
    assert.deepEqual(left({ state: 'delivered' }), [16])
    assert.deepEqual(left({ state: 'pending' }), [16])
    assert.deepEqual(left({ state: 'failed', failures: 3 }), [16])
    assert.deepEqual(left({ state: 'failed', failures: 10 }), [])
    assert.deepEqual(left({ state: 'failed', failures: 1, error: 'the endpoint was disabled' }), [])
    assert.deepEqual(found({ webhooks, deliveries: [] }), [16])
    assert.deepEqual(found({ webhooks, deliveries: [], endpointState: 'disabled' }), [])
    assert.deepEqual(
      found({ webhooks, deliveries: [], receiver: { types: ['order.created', 'payment.unknown'] } }),
      [17],
    )
  })

  test('17: finds a webhook about nothing, of another client, and where a redirect leads', () => {
    const right = [came(PLACED, 3_000), came(UNKNOWN, 3_100), came(COMPLETED, 3_200)]
    const rolledBack = row('019b76da-a800-7c3e-8f6e-5d1d2b0a9c14', 'order.created')
    assert.deepEqual(found({ webhooks: [...right, came(rolledBack, 3_300)] }), [17])
    assert.deepEqual(found({ webhooks: [...right, came(PLACED, 3_300, { receiver: -1 })] }), [17])
  })

  test('18: finds a signature by no secret, by one that is over or not there yet, and a wrong time', () => {
    const with18 = (ms: number, more: Partial<WebhookRecord>, secret?: string) => {
      const webhooks = [came(PLACED, ms, more, secret), came(UNKNOWN, 30_000), came(COMPLETED, 30_100)]
      return found({ webhooks })
    }
    assert.deepEqual(with18(2_500, {}, OLDER), [])
    assert.deepEqual(with18(30_000, {}, OLDER), [18])
    assert.deepEqual(with18(1_000, {}), [18])
    assert.deepEqual(with18(30_000, { body: 'other' }), [18])
    assert.deepEqual(with18(30_000, { signature: '' }), [18])
    assert.deepEqual(with18(30_000, { wall: STARTED_MS + 400_000 }), [18])
    const lost = `whsec_${Buffer.alloc(32, 3).toString('base64')}`
    const webhooks = [came(PLACED, 30_000, {}, lost), came(UNKNOWN, 30_000), came(COMPLETED, 30_100)]
    assert.deepEqual(found({ webhooks, receiver: { unknown: [{ from: 29_000, to: 30_500 }] } }), [])
  })

  test('19: finds a later event of a payment that did not wait for the earlier one', () => {
    const early = came(COMPLETED, 2_500, {}, OLDER)
    assert.deepEqual(found({ webhooks: [early, came(PLACED, 3_000), came(UNKNOWN, 3_100)] }), [19])
    // After its lease the earlier one has been tried, by a node that is gone.
    const late = came(COMPLETED, 3_500)
    assert.deepEqual(found({ webhooks: [came(PLACED, 3_000), late, came(UNKNOWN, 3_600)] }), [])
  })
})

test('the events of a page are cut out of it byte by byte', () => {
  const one = '{"id":"a","data":{"x":[1,{"y":"]}\\"{"}],"n":1.10}}'
  assert.deepEqual(objectsOf(`{"events":[${one},{"id":"b"}],"next_cursor":"[{","has_more":false}`), [
    one,
    '{"id":"b"}',
  ])
  assert.deepEqual(objectsOf('{"events":[],"next_cursor":null,"has_more":false}'), [])
})
