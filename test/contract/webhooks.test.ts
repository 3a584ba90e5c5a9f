import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { after, before, describe, type TestContext, test } from 'node:test'
import { Webhook } from 'standardwebhooks'
import type { Database } from '../../internal/database/database.ts'
import { type Deliverer, startDeliverer } from '../../internal/events/deliverer.ts'
import { sweepDeliveries, takeDeliveries } from '../../internal/events/delivery-table.ts'
import {
  addEndpoint,
  disabledEndpoint,
  endpointObject,
  findEndpoint,
  listEndpoints,
  removeEndpoint,
  resealEndpoints,
  rotateEndpoint,
} from '../../internal/events/endpoints.ts'
import {
  type Event,
  type EventType,
  eventId,
  eventJson,
  parseEventId,
  type ReadObjects,
} from '../../internal/events/event.ts'
import { readEvents } from '../../internal/events/event-log.ts'
import { postWebhook } from '../../internal/events/post-webhook.ts'
import { disableEndpoint, replayEndpoint, replayEvent } from '../../internal/events/replay.ts'
import { orderStore } from '../../internal/orders/order-store.ts'
import { webhookSealing } from '../../src/service/webhook-sealing.ts'
import { changeNote, newKey } from '../support/clients.ts'
import { KINDS, type OpenedDatabase, openMigrated } from '../support/migrated-database.ts'
import { until } from '../support/until.ts'
import { type ReceivedWebhook, startWebhookReceiver } from '../support/webhook-receiver.ts'
import { placement } from './order-store.ts'

/** To one endpoint at once from one node. */
const EACH = 4
const KEY = newKey()
const OTHER_KEY = newKey()
const PRODUCTION = { production: true, host: '0.0.0.0', secretsKeyOld: undefined }
const sealing = webhookSealing({ ...PRODUCTION, secretsKey: KEY.key })
const readObjects: ReadObjects = async (_, events) =>
  new Map(events.map((event) => [eventId(event), JSON.stringify({ order: { id: event.object } })]))

for (const kind of KINDS) {
  describe(`webhooks from the ${kind} database`, () => {
    let opened: OpenedDatabase
    let database: Database
    before(async () => {
      opened = await openMigrated(kind)
      database = opened.database
    })
    after(() => opened.close())

    const newClient = () => `client-${randomBytes(4).toString('hex')}`
    const add = async (client: string, url: string, types?: EventType[]) => {
      const added = await addEndpoint(database, sealing, { client, url, types }, Date.now())
      assert.equal(added.outcome, 'added')
      return added.outcome === 'added' ? added : assert.fail()
    }
    const place = async (client: string) => {
      const one = { ...placement(), client }
      await orderStore(database).place(one)
      return `evt_${one.order.id.replaceAll('-', '')}_created`
    }
    /** It runs its rounds only when a test asks for one. */
    const node = (t: TestContext, change: Partial<Parameters<typeof startDeliverer>[0]> = {}): Deliverer => {
      const deliverer = startDeliverer({
        database,
        sealing,
        readObjects,
        post: (request) => postWebhook({ ...request, allowLocal: true }),
        now: Date.now,
        random: () => 0,
        everyMs: 86_400_000,
        onTrouble: (error) => assert.fail(String(error)),
        ...change,
      })
      t.after(() => deliverer.close())
      return deliverer
    }
    const rounds = (deliverer: Deliverer, holds: () => boolean | Promise<boolean>) =>
      until('the deliveries', async () => {
        await deliverer.round()
        return await holds()
      })
    const deliveries = async (client: string) =>
      (
        await database.run(
          (sql) => sql`SELECT * FROM webhook_deliveries WHERE client = ${client} ORDER BY position, object`,
        )
      ).map((row) => ({ ...row }))

    test('an endpoint gets the events that follow it, with the signature of Standard Webhooks over these bytes', async (t) => {
      const client = newClient()
      const { received, url } = await startWebhookReceiver(t)
      await place(client)
      // Until then it is delivered too: transactions of other tests on this server hold back what is an earlier event.
      await until(
        'the horizon passes',
        async () =>
          (await readEvents(database, client, { after: undefined, type: undefined, limit: 9 })).length === 1,
      )
      const made = await add(client, url)
      const ids = [await place(client), await place(client)]
      const deliverer = node(t)
      await rounds(deliverer, () => received.length >= 2)
      await deliverer.round()
      assert.deepEqual(received.map(({ id }) => id).toSorted(), ids.toSorted())
      const [first] = received
      assert.ok(first)
      const event = new Webhook(made.secret).verify(first.body, first.headers)
      assert.deepEqual(event, JSON.parse(first.body))
      assert.equal(JSON.parse(first.body).id, first.id)
      assert.throws(() => new Webhook(made.secret).verify(`${first.body} `, first.headers))
      assert.throws(() =>
        new Webhook(`whsec_${randomBytes(32).toString('base64')}`).verify(first.body, first.headers),
      )
      assert.deepEqual(
        (await deliveries(client)).map(({ state, attempts, status, response }) => ({
          state,
          attempts,
          status,
          response,
        })),
        [
          { state: 'delivered', attempts: 1, status: 200, response: 'ok' },
          { state: 'delivered', attempts: 1, status: 200, response: 'ok' },
        ],
      )
    })

    test('while a secret is rotated both sign; a secret lies sealed, and is sealed again under a new key', async (t) => {
      const client = newClient()
      const { received, url } = await startWebhookReceiver(t)
      const { endpoint, secret } = await add(client, url)
      const next = await rotateEndpoint(database, sealing, { client, id: endpoint.id, overlapMs: 60_000 })
      assert.ok(next)
      await place(client)
      await rounds(node(t), () => received.length === 1)
      const [{ body, headers }] = received as [ReceivedWebhook]
      for (const one of [secret, next]) new Webhook(one).verify(body, headers)
      const text = JSON.stringify(
        await database.run((sql) => sql`SELECT encode(sealed, 'escape') FROM webhook_secrets`),
      )
      assert.ok(!text.includes(next.slice(6, 20)))
      // An operator changes SECRETS_KEY: the old one still opens, and after a sweep the new one alone is enough.
      const both = webhookSealing({ ...PRODUCTION, secretsKey: OTHER_KEY.key, secretsKeyOld: KEY.key })
      await until('all are sealed again', async () => (await resealEndpoints(database, both)) === 0)
      await place(client)
      const alone = webhookSealing({ ...PRODUCTION, secretsKey: OTHER_KEY.key })
      await rounds(node(t, { sealing: alone }), () => received.length === 2)
      new Webhook(next).verify(received[1]?.body ?? '', received[1]?.headers ?? {})
      await until(
        'back',
        async () =>
          (await resealEndpoints(
            database,
            webhookSealing({ ...PRODUCTION, secretsKey: KEY.key, secretsKeyOld: OTHER_KEY.key }),
          )) === 0,
      )
    })

    test('a secret whose key is lost keeps no other one from being sealed again, and is reported', async () => {
      const client = newClient()
      const lost = webhookSealing({ ...PRODUCTION, secretsKey: newKey().key })
      const made = []
      for (const [n, one] of [lost, sealing, sealing, sealing].entries()) {
        const endpoint = { client, url: `http://127.0.0.1:${n + 1}/`, types: undefined }
        made.push(await addEndpoint(database, one, endpoint, Date.now()))
      }
      const both = webhookSealing({ ...PRODUCTION, secretsKey: OTHER_KEY.key, secretsKeyOld: KEY.key })
      await assert.rejects(resealEndpoints(database, both), /is sealed under key \w+, which is not set/)
      const keys = await database.run(
        (sql) => sql`
          SELECT key_id FROM webhook_secrets WHERE client = ${client} ORDER BY endpoint`,
      )
      assert.deepEqual(
        keys.map(({ key_id }) => key_id),
        [lost.keyId, both.keyId, both.keyId, both.keyId],
      )
      for (const one of made)
        if (one.outcome === 'added') await removeEndpoint(database, client, one.endpoint.id)
      const back = webhookSealing({ ...PRODUCTION, secretsKey: KEY.key, secretsKeyOld: OTHER_KEY.key })
      await until('those of other tests are back', async () => (await resealEndpoints(database, back)) === 0)
    })

    test('an endpoint that fails is tried again by the schedule, and keeps no other one waiting', async (t) => {
      const client = newClient()
      let healthy = false
      const bad = await startWebhookReceiver(t, (response) => {
        response.statusCode = healthy ? 204 : 500
        response.end(healthy ? '' : 'no\u0000 \u001b[31mway'.padEnd(2_000, 'x'))
      })
      const good = await startWebhookReceiver(t)
      await add(client, bad.url)
      await add(client, good.url)
      await place(client)
      const deliverer = node(t)
      await rounds(deliverer, () => good.received.length === 1 && bad.received.length >= 3)
      const [failing] = (await deliveries(client)).filter(({ state }) => state === 'pending')
      assert.equal(failing?.status, 500)
      assert.equal(failing?.error, 'status 500')
      assert.match(String(failing?.response), /^no {2} \[31mwayx+$/)
      assert.equal(String(failing?.response).length, 256)
      assert.ok((await listEndpoints(database, client))[0]?.failingSince)
      healthy = true
      await rounds(deliverer, async () =>
        (await deliveries(client)).every(({ state }) => state === 'delivered'),
      )
      assert.equal((await listEndpoints(database, client))[0]?.failingSince, undefined)
      assert.equal(good.received.length, 1)
    })

    test('an endpoint that has responded gets its next events soon, although a look had left it out', async (t) => {
      const client = newClient()
      const { received, url } = await startWebhookReceiver(t)
      await add(client, url)
      for (let n = 0; n < EACH + 1; n++) await place(client)
      // By its timer alone it would look after 30 s.
      const deliverer = node(t, { everyMs: 40_000 })
      await rounds(deliverer, () => received.length > 0)
      await until('the others', () => received.length === EACH + 1, 20_000)
    })

    test('after the last attempt a delivery is on record as failed; replaying since a time sends it again', async (t) => {
      const client = newClient()
      let healthy = false
      const { received, url } = await startWebhookReceiver(
        t,
        (response) => void response.writeHead(healthy ? 200 : 503).end(),
      )
      const since = new Date(Date.now() - 1_000)
      const { endpoint } = await add(client, url)
      const ids = [await place(client), await place(client)]
      const deliverer = node(t)
      await rounds(deliverer, async () => {
        const all = await deliveries(client)
        return all.length === 2 && all.every(({ state }) => state === 'failed')
      })
      assert.deepEqual(
        (await deliveries(client)).map(({ failures, status }) => [failures, status]),
        [
          [10, 503],
          [10, 503],
        ],
      )
      healthy = true
      received.length = 0
      assert.ok(await replayEndpoint(database, { client, id: endpoint.id, since }, changeNote()))
      await rounds(deliverer, async () =>
        (await deliveries(client)).every(({ state }) => state === 'delivered'),
      )
      assert.deepEqual(received.map(({ id }) => id).toSorted(), ids.toSorted())
    })

    test('what waits for its next attempt is sent at once when an operator replays; what is being sent stays', async (t) => {
      const client = newClient()
      let status = 503
      const { received, url } = await startWebhookReceiver(
        t,
        (response) => void response.writeHead(status).end(),
      )
      const { endpoint } = await add(client, url)
      for (let n = 0; n < 2; n++) await place(client)
      // Of ten tries of random length the longest: the second attempt would be 10 s later.
      const deliverer = node(t, { random: () => 0.999 })
      await rounds(deliverer, () => received.length === 2)
      assert.equal(await deliverer.round(), 0)
      status = 200
      for (const since of [undefined, new Date(0)]) {
        await database.run(
          (sql) => sql`
            UPDATE webhook_deliveries SET state = 'pending', ended_at = NULL, failures = 5, lease_until = NULL,
              next_at = clock_timestamp() + interval '10 hours' WHERE client = ${client}`,
        )
        received.length = 0
        assert.ok(await replayEndpoint(database, { client, id: endpoint.id, since }, changeNote()))
        assert.deepEqual(
          (await deliveries(client)).map(({ failures }) => failures),
          [0, 0],
        )
        await rounds(deliverer, () => received.length === 2)
      }

      await database.run(
        (sql) => sql`
          UPDATE webhook_deliveries SET state = 'pending', ended_at = NULL,
            lease_until = clock_timestamp() + interval '1 hour', next_at = clock_timestamp() + interval '1 hour'
          WHERE client = ${client}`,
      )
      assert.ok(await replayEndpoint(database, { client, id: endpoint.id, since: undefined }, changeNote()))
      assert.equal(await deliverer.round(), 0)
    })

    test('one event is sent again alone, of this endpoint only, and the audit trail tells who asked for it', async (t) => {
      const client = newClient()
      const first = await startWebhookReceiver(t)
      const second = await startWebhookReceiver(t)
      const { endpoint } = await add(client, first.url, ['order.created'])
      await add(client, second.url)
      const [one, other] = [await place(client), await place(client)]
      const deliverer = node(t)
      await rounds(deliverer, () => first.received.length === 2 && second.received.length === 2)
      await until('they are recorded', async () =>
        (await deliveries(client)).every(({ state }) => state === 'delivered'),
      )
      const event = parseEventId(one) ?? assert.fail()
      const ask = { client, id: endpoint.id, event }
      const note = changeNote()
      assert.equal(await replayEvent(database, ask, note), 'replayed')
      await rounds(deliverer, () => first.received.length === 3)
      await deliverer.round()
      assert.deepEqual(first.received.map(({ id }) => id).toSorted(), [one, one, other].toSorted())
      assert.equal(first.received[2]?.body, first.received.find(({ id }) => id === one)?.body)
      assert.equal(second.received.length, 2)
      // Also where the record of the delivery is gone.
      await database.run((sql) => sql`DELETE FROM webhook_deliveries WHERE client = ${client}`)
      assert.equal(await replayEvent(database, ask, changeNote()), 'replayed')
      await rounds(deliverer, () => first.received.length === 4)
      assert.equal(first.received[3]?.id, one)

      const entries = await database.run(
        (sql) => sql`SELECT event_type, entry FROM audit_log WHERE client = ${client} ORDER BY seq`,
      )
      assert.equal(entries.length, 2)
      assert.deepEqual(
        [entries[0]?.event_type, JSON.parse(String(entries[0]?.entry))],
        [
          'webhook_endpoint.replayed',
          { id: note.id, operator: 'jane', reason: 'a test', endpoint: endpoint.id, event: one },
        ],
      )
    })

    test('an event that is not there, not for the endpoint or still to come is not replayed, and nothing is noted', async () => {
      const client = newClient()
      const { endpoint } = await add(client, 'https://partner.example/', ['payment.completed'])
      const { endpoint: wide } = await add(client, 'https://partner.example/wide')
      const event = parseEventId(await place(client)) ?? assert.fail()
      const ask = (change: Partial<Parameters<typeof replayEvent>[1]>) =>
        replayEvent(database, { client, id: wide.id, event, ...change }, changeNote())
      const unknown = { object: randomUUID(), type: 'order.created' } as const
      assert.equal(await ask({ event: unknown }), 'unknown')
      assert.equal(await ask({ event: { ...event, type: 'payment.completed' } }), 'unknown')
      assert.equal(await ask({ id: randomUUID() }), 'gone')
      assert.equal(await ask({ client: newClient() }), 'gone')
      // No node has made its delivery yet.
      assert.equal(await ask({}), 'waiting')
      assert.equal(await ask({ id: endpoint.id }), 'other')
      assert.ok(await disableEndpoint(database, client, wide.id, changeNote()))
      assert.equal(await ask({}), 'disabled')
      assert.deepEqual(
        (await deliveries(client)).map(({ state }) => state),
        [],
      )
      const entries = await database.run(
        (sql) => sql`SELECT event_type FROM audit_log WHERE client = ${client} ORDER BY seq`,
      )
      assert.deepEqual(
        entries.map(({ event_type }) => event_type),
        ['webhook_endpoint.disabled'],
      )
    })

    test('410 disables an endpoint, its owner has an event, and its other endpoints get it', async (t) => {
      const client = newClient()
      const gone = await startWebhookReceiver(t, (response) => void response.writeHead(410).end())
      const good = await startWebhookReceiver(t)
      const { endpoint } = await add(client, gone.url)
      await add(client, good.url, ['webhook_endpoint.disabled'])
      await place(client)
      const deliverer = node(t)
      await rounds(deliverer, () => good.received.length === 1)
      const disabled = await findEndpoint(database, client, endpoint.id)
      assert.deepEqual([disabled?.state, disabled?.reason], ['disabled', 'gone'])
      await place(client)
      await deliverer.round()
      assert.equal(gone.received.length, 1)
      assert.equal(JSON.parse(good.received[0]?.body ?? '').type, 'webhook_endpoint.disabled')
      // What happened meanwhile waits for it.
      assert.ok(await replayEndpoint(database, { client, id: endpoint.id, since: undefined }, changeNote()))
      await rounds(deliverer, () => gone.received.length === 2)
      assert.equal(await disableEndpoint(database, client, endpoint.id, changeNote()), false)
    })

    test('the event of a disabled endpoint shows it as it was, whatever becomes of it', async (t) => {
      const client = newClient()
      const gone = await startWebhookReceiver(t, (response) => void response.writeHead(410).end())
      const { endpoint } = await add(client, gone.url, ['order.created'])
      await place(client)
      await rounds(
        node(t),
        async () => (await findEndpoint(database, client, endpoint.id))?.state === 'disabled',
      )
      const [event] = await database.run(
        (sql) => sql`SELECT position::text, object::text FROM events WHERE client = ${client}`,
      )
      const eventPlace = { position: String(event?.position), object: String(event?.object) }
      const shown = () => disabledEndpoint(database, client, eventPlace)
      const first = await shown()
      const found = await findEndpoint(database, client, endpoint.id)
      assert.ok(found?.failingSince !== undefined)
      assert.deepEqual(JSON.parse(first), { webhook_endpoint: endpointObject(found) })
      assert.ok(await replayEndpoint(database, { client, id: endpoint.id, since: undefined }, changeNote()))
      assert.equal(await shown(), first)
      assert.ok(await removeEndpoint(database, client, endpoint.id))
      assert.equal(await shown(), first)
    })

    test('an endpoint that has failed for five days is disabled', async (t) => {
      const client = newClient()
      const { url } = await startWebhookReceiver(t, (response) => void response.writeHead(500).end())
      const { endpoint } = await add(client, url)
      await place(client)
      const deliverer = node(t)
      await rounds(deliverer, async () => (await deliveries(client))[0]?.failures === 1)
      await database.run(
        (sql) =>
          sql`UPDATE webhook_endpoints SET failing_since = failing_since - interval '5 days' WHERE id = ${endpoint.id}`,
      )
      await rounds(
        deliverer,
        async () => (await findEndpoint(database, client, endpoint.id))?.state === 'disabled',
      )
      assert.equal((await findEndpoint(database, client, endpoint.id))?.reason, 'failing')
      assert.deepEqual(
        (await deliveries(client)).map(({ state, error }) => [state, error]),
        [['failed', 'the endpoint was disabled']],
      )
    })

    test('a node that dies leaves its deliveries to another one, and what it records late changes nothing', async (t) => {
      const client = newClient()
      const { received, url, release } = await startHoldingReceiver(t)
      await add(client, url)
      await place(client)
      // Two nodes; the first hangs until its lease is over.
      const first = node(t, { leaseMs: 1 })
      const hanging = (async () => {
        while (received.length === 0) await first.round()
      })()
      await until('the first node sends', () => received.length === 1)
      const second = node(t)
      await rounds(second, () => received.length >= 2)
      await until('it is delivered', async () => (await deliveries(client))[0]?.state === 'delivered')
      release()
      await hanging
      const [delivery] = await deliveries(client)
      assert.deepEqual([delivery?.state, delivery?.status], ['delivered', 200])
      assert.deepEqual(new Set(received.map(({ id }) => id)).size, 1)
    })

    test('an event of up to 20,000 bytes is sent whole, a longer one with the id of its object alone', async (t) => {
      const client = newClient()
      const { received, url } = await startWebhookReceiver(t)
      const made = await add(client, url)
      const events = [await place(client), await place(client)]
      /** The longest event has this many bytes. */
      const long = async (_: string, [event]: readonly Event[]) => {
        assert.ok(event)
        const bytes = eventId(event) === events[0] ? 20_000 : 20_001
        const data = (text: string) => JSON.stringify({ order: { id: event.object, item: text } })
        const length = bytes - Buffer.byteLength(eventJson(client, event, data('')))
        // Two bytes each, and one more where that is needed.
        const item = 'ü'.repeat(length >> 1) + 'x'.repeat(length % 2)
        return new Map([[eventId(event), data(item)]])
      }
      await rounds(node(t, { readObjects: long }), () => received.length === 2)
      const bodyOf = (id: string | undefined) => received.find((one) => one.id === id)?.body ?? ''
      assert.equal(Buffer.byteLength(bodyOf(events[0])), 20_000)
      const thin = JSON.parse(bodyOf(events[1]))
      const { object } = parseEventId(events[1] ?? '') ?? assert.fail()
      assert.deepEqual(
        [thin.id, thin.type, thin.client, thin.data],
        [events[1], 'order.created', client, { object_id: object }],
      )
      for (const { body, headers } of received) new Webhook(made.secret).verify(body, headers)
    })

    test('a later event of one payment waits for the first try of the earlier one, whatever node has it', async (t) => {
      const client = newClient()
      const { received, url, release } = await startHoldingReceiver(t)
      await add(client, url)
      const object = randomUUID()
      for (const type of ['payment.unknown', 'payment.completed'])
        await database.run(
          (sql) =>
            sql`INSERT INTO events (client, object, type) VALUES (${client}, ${object}::uuid, ${type})`,
        )
      const [first, second] = [node(t), node(t)]
      let isHanging = true
      const hanging = (async () => {
        while (received.length === 0) await first.round()
        isHanging = false
      })()
      await until('the first node sends', () => received.length === 1)
      await until('both deliveries are there', async () => {
        await second.round()
        return (await deliveries(client)).length === 2
      })
      for (let round = 0; round < 3; round++) await second.round()
      assert.ok(isHanging)
      assert.deepEqual(
        received.map(({ body }) => JSON.parse(body).type),
        ['payment.unknown'],
      )
      release()
      await hanging
      // It was tried: that it failed keeps the later one waiting no longer.
      await rounds(second, async () => (await deliveries(client)).every(({ state }) => state === 'delivered'))
      assert.deepEqual(received.map(({ body }) => JSON.parse(body).type).toSorted(), [
        'payment.completed',
        'payment.unknown',
        'payment.unknown',
      ])
    })

    test('a later event of one payment waits for the earlier one when both are replayed, too', async (t) => {
      const client = newClient()
      const { url } = await startWebhookReceiver(t)
      const { endpoint } = await add(client, url)
      const object = randomUUID()
      for (const type of ['payment.unknown', 'payment.completed'])
        await database.run(
          (sql) =>
            sql`INSERT INTO events (client, object, type) VALUES (${client}, ${object}::uuid, ${type})`,
        )
      const deliverer = node(t)
      await rounds(deliverer, async () => {
        const all = await deliveries(client)
        return all.length === 2 && all.every(({ state }) => state === 'delivered')
      })
      assert.ok(await replayEndpoint(database, { client, id: endpoint.id, since: new Date(0) }, changeNote()))
      await until('both are pending', async () => {
        await database.run((sql) => sql`SELECT oncekey_webhook_fan_out(100, 1000)`)
        return (await deliveries(client)).every(({ state }) => state === 'pending')
      })
      const taken = await takeDeliveries(database, { busy: [], limit: 100, leaseMs: 60_000 })
      assert.deepEqual(
        taken.filter((one) => one.client === client).map(({ event }) => event.type),
        ['payment.unknown'],
      )
    })

    test('a client has 20 endpoints at most, whatever runs at once, and each URL once', async () => {
      const client = newClient()
      const all = await Promise.all(
        Array.from({ length: 30 }, (_, n) =>
          addEndpoint(
            database,
            sealing,
            { client, url: `https://partner.example/${n}`, types: undefined },
            Date.now(),
          ),
        ),
      )
      assert.equal(all.filter(({ outcome }) => outcome === 'added').length, 20)
      assert.equal((await listEndpoints(database, client)).length, 20)
      const other = newClient()
      await add(other, 'https://partner.example/')
      const again = await addEndpoint(
        database,
        sealing,
        { client: other, url: 'https://partner.example/', types: undefined },
        Date.now(),
      )
      assert.equal(again.outcome, 'exists')
    })

    test('an endpoint that gets few types comes past a thousand other events in a look', async (t) => {
      const client = newClient()
      const { received, url } = await startWebhookReceiver(t)
      await add(client, url, ['payment.unknown'])
      await database.run(
        (sql) => sql`
          INSERT INTO events (client, object, type)
            SELECT ${client}, gen_random_uuid(), 'payment.completed' FROM generate_series(1, 950)`,
      )
      const [row] = await database.run(
        (sql) => sql`
          INSERT INTO events (client, object, type) VALUES (${client}, gen_random_uuid(), 'payment.unknown')
            RETURNING position::text`,
      )
      await until('the horizon passes', async () => {
        const [end] = await database.run((sql) => sql`SELECT oncekey_events_end(${client})::text AS position`)
        return BigInt(String(end?.position)) >= BigInt(String(row?.position))
      })
      await node(t).round()
      assert.equal(received.length, 1)
    })

    test('the event of an order that was deleted is not sent, and those behind it are', async (t) => {
      const client = newClient()
      const { received, url } = await startWebhookReceiver(t)
      await add(client, url)
      const [gone, kept] = [await place(client), await place(client)]
      const deliverer = node(t, {
        readObjects: async (of, events) => {
          const found = new Map(await readObjects(of, events))
          found.delete(gone)
          return found
        },
      })
      await rounds(deliverer, async () => received.length === 1 && (await deliveries(client)).length === 1)
      assert.deepEqual(
        received.map(({ id }) => id),
        [kept],
      )
      const [endpoint] = await listEndpoints(database, client)
      assert.equal(endpoint?.failingSince, undefined)
    })

    test('a replay begins with the first event since then, also where the clock was put back meanwhile', async () => {
      const client = newClient()
      const { endpoint } = await add(client, 'https://partner.example/')
      const times = ['00:00', '09:00', '10:20', '09:50', '10:05', '10:15', '10:30', '12:00']
      await database.run(
        (sql) => sql`
          INSERT INTO events (client, position, object, type, at)
            SELECT ${client}, n, gen_random_uuid(), 'payment.completed', ('2026-01-01T' || t || 'Z')::timestamptz
            FROM unnest(string_to_array(${times.join()}, ',')) WITH ORDINALITY AS r(t, n)`,
      )
      const begin = async (since: string) => {
        await database.run((sql) => sql`UPDATE webhook_endpoints SET position = 100 WHERE client = ${client}`)
        const asked = { client, id: endpoint.id, since: new Date(`2026-01-01T${since}Z`) }
        assert.ok(await replayEndpoint(database, asked, changeNote()))
        const [row] = await database.run(
          (sql) => sql`SELECT position FROM webhook_endpoints WHERE client = ${client}`,
        )
        return Number(row?.position) + 1
      }
      const FIRST: [since: string, position: number][] = [
        ['00:00', 1],
        ['09:30', 3],
        ['10:10', 3],
        ['10:25', 7],
        ['11:00', 8],
        ['13:00', 101],
      ]
      for (const [since, position] of FIRST) assert.equal(await begin(since), position, since)
    })

    test('what ended 30 days ago is forgotten as fast as it came', async (t) => {
      const client = newClient()
      const { endpoint } = await add(client, 'https://partner.example/')
      await database.run(
        (sql) => sql`
          INSERT INTO webhook_deliveries (client, endpoint, object, type, position, at, state, ended_at)
            SELECT ${client}, ${endpoint.id}::uuid, gen_random_uuid(), 'order.created', n, now(), 'delivered',
              now() - interval '31 days' FROM generate_series(1, 2500) AS n`,
      )
      node(t, { everyMs: 50 })
      await until('an empty table', async () => (await deliveries(client)).length === 0)
    })

    test('what ended 30 days ago is forgotten', async (t) => {
      const client = newClient()
      const { received, url } = await startWebhookReceiver(t)
      await add(client, url)
      await place(client)
      await rounds(node(t), () => received.length === 1)
      await until('it is recorded', async () => (await deliveries(client))[0]?.state === 'delivered')
      assert.equal(await sweepDeliveries(database, 30 * 86_400_000, 100), 0)
      await database.run(
        (sql) =>
          sql`UPDATE webhook_deliveries SET ended_at = ended_at - interval '30 days' WHERE client = ${client}`,
      )
      assert.equal(await sweepDeliveries(database, 30 * 86_400_000, 100), 1)
      assert.deepEqual(await deliveries(client), [])
    })
  })
}

/** Its first webhook gets its response, 500, with `release`; each later one gets 200 at once. */
async function startHoldingReceiver(t: TestContext) {
  let respondToFirst = () => {}
  const { received, url } = await startWebhookReceiver(t, (response) => {
    if (received.length === 1) respondToFirst = () => void response.writeHead(500).end()
    else response.end()
  })
  return { received, url, release: () => respondToFirst() }
}
