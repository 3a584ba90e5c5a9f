import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { Webhook } from 'standardwebhooks'
import { createClient } from '../../src/client.ts'
import { ApiDocument } from '../support/api-document.ts'
import { assertProblem, one } from '../support/raw-http.ts'
import { startServiceOnDatabase } from '../support/service-on-database.ts'
import { until } from '../support/until.ts'
import { startWebhookReceiver } from '../support/webhook-receiver.ts'

const world = await startServiceOnDatabase({
  API_KEYS: 'ann:key-of-ann-0001,bob:key-of-bob-0001,default:key-of-default',
  RATE_LIMITS: 'none',
})
after(() => world.close())
const baseUrl = world.service.url
const ann = createClient({ baseUrl, apiKey: 'key-of-ann-0001' })
const PAYMENT = {
  amount: '19.90',
  currency: 'EUR',
  payment_method: 'card-4242424242424242',
  metadata: { basket: '7' },
}
const PATH = '/api/v1/webhook-endpoints'

const { received, url } = await startWebhookReceiver({
  after: (close: () => unknown) => after(async () => void (await close())),
})
const hook = `${url}hook`

async function send(method: string, path: string, body?: unknown, apiKey = 'key-of-ann-0001') {
  const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body)
  const type =
    body === undefined
      ? ''
      : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n`
  const answer = await one(
    world.port,
    `${method} ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${apiKey}\r\n${type}\r\n${text}`,
  )
  return answer
}

describe('webhook endpoints', () => {
  test('an endpoint is made, gets the events of its client as GET /api/v1/events has them, and is removed', async () => {
    const made = await send('POST', PATH, { url: hook })
    assert.equal(made.status, 201, made.body)
    const { secret, ...endpoint } = JSON.parse(made.body).webhook_endpoint
    assert.equal(made.header('location'), `${PATH}/${endpoint.id}`)
    assert.equal(made.header('cache-control'), 'no-store')
    assert.deepEqual([endpoint.url, endpoint.status, endpoint.disabled_reason], [hook, 'enabled', null])
    assert.deepEqual(JSON.parse((await send('GET', PATH)).body), { webhook_endpoints: [endpoint] })
    assert.deepEqual(JSON.parse((await send('GET', `${PATH}/${endpoint.id}`)).body), {
      webhook_endpoint: endpoint,
    })

    await createClient({ baseUrl, apiKey: 'key-of-bob-0001' }).payments.create(PAYMENT)
    const { payment } = await ann.payments.create(PAYMENT)
    await until('the event', () => received.length > 0)
    const [{ headers, body }] = received as [(typeof received)[number]]
    const event = JSON.parse(body)
    assert.deepEqual(event.data, { payment })
    const document = JSON.parse(await (await fetch(`${baseUrl}/openapi.json`)).text())
    new ApiDocument(document).assertWebhook(event.type, event)
    assert.deepEqual(new Webhook(secret).verify(body, headers), event)
    assert.deepEqual((await ann.events.page()).events, [event])

    const rotated = await send('POST', `${PATH}/${endpoint.id}/rotate`, { overlap_seconds: 3_600 })
    assert.equal(rotated.status, 200, rotated.body)
    const next = JSON.parse(rotated.body).webhook_endpoint.secret
    assert.notEqual(next, secret)
    await ann.payments.create(PAYMENT)
    await until('the next event', () => received.length === 2)
    for (const one of [secret, next])
      new Webhook(one).verify(received[1]?.body ?? '', received[1]?.headers ?? {})

    // Another client neither sees nor changes it.
    for (const [method, path] of [
      ['GET', `${PATH}/${endpoint.id}`],
      ['DELETE', `${PATH}/${endpoint.id}`],
      ['POST', `${PATH}/${endpoint.id}/rotate`],
    ] as const) {
      assertProblem(await send(method, path, undefined, 'key-of-bob-0001'), 404, 'not_found')
    }
    assert.deepEqual(JSON.parse((await send('GET', PATH, undefined, 'key-of-bob-0001')).body), {
      webhook_endpoints: [],
    })

    assert.equal((await send('DELETE', `${PATH}/${endpoint.id}`)).status, 200)
    assertProblem(await send('DELETE', `${PATH}/${endpoint.id}`), 404, 'not_found')
    assert.deepEqual(JSON.parse((await send('GET', PATH)).body), { webhook_endpoints: [] })
  })

  test('a payment of more than 20 KB is sent by its id, and is whole in GET /api/v1/events', async () => {
    const before = received.length
    const made = JSON.parse((await send('POST', PATH, { url: hook }, 'key-of-default')).body).webhook_endpoint
    const metadata = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`m${n}`, 'x'.repeat(500)]))
    const client = createClient({ baseUrl, apiKey: 'key-of-default' })
    const { payment } = await client.payments.create({ ...PAYMENT, metadata })
    await until('the event', () => received.length > before)
    const [{ headers, body }] = received.slice(before) as [(typeof received)[number]]
    const event = JSON.parse(body)
    assert.deepEqual(event.data, { object_id: payment.transaction_id })
    new Webhook(made.secret).verify(body, headers)
    const document = JSON.parse(await (await fetch(`${baseUrl}/openapi.json`)).text())
    new ApiDocument(document).assertWebhook(event.type, event)
    const [listed] = (await client.events.page()).events
    assert.deepEqual(listed, { ...event, data: { payment } })
    assert.equal((await send('DELETE', `${PATH}/${made.id}`, undefined, 'key-of-default')).status, 200)
  })

  test('what is no endpoint is refused and changes nothing', async () => {
    for (const body of [
      {},
      { url: 1 },
      { url: 'ftp://partner.example/' },
      { url: 'https://user:password@partner.example/' },
      { url: `https://partner.example/${'a'.repeat(2_000)}` },
      { url: 'https://partner.example/#here' },
      { url: 'https://partner.example/', events: [] },
      { url: 'https://partner.example/', events: ['order.deleted'] },
      { url: 'https://partner.example/', events: 'order.created' },
      { url: 'https://partner.example/', secret: 'mine' },
    ]) {
      assertProblem(await send('POST', PATH, body), 422, 'validation_failed')
    }
    assertProblem(await send('POST', PATH, '{'), 400, 'invalid_json')
    for (const path of [`${PATH}/1`, `${PATH}/019b76da-a800-7c3e-8f6e-5d1d2b0a9c12`]) {
      assertProblem(await send('GET', path), 404, 'not_found')
      assertProblem(await send('DELETE', path), 404, 'not_found')
      assertProblem(await send('POST', `${path}/rotate`, {}), 404, 'not_found')
    }
    assertProblem(await send('PUT', PATH, {}), 405, 'method_not_allowed')
    assertProblem(await send('GET', PATH, undefined, 'wrong'), 401, 'api_key_invalid')
    assert.deepEqual(JSON.parse((await send('GET', PATH)).body), { webhook_endpoints: [] })
  })

  test('there are 20 endpoints of a client at most', async () => {
    for (let n = 0; n < 20; n++) {
      assert.equal(
        (await send('POST', PATH, { url: `https://partner.example/${n}` }, 'key-of-bob-0001')).status,
        201,
      )
    }
    assertProblem(
      await send('POST', PATH, { url: 'https://partner.example/20' }, 'key-of-bob-0001'),
      422,
      'validation_failed',
    )
  })
})
