import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { Webhook } from 'standardwebhooks'
import { WebhookError, webhooks } from '../../src/client.ts'

const SECRET = `whsec_${randomBytes(32).toString('base64')}`
const OTHER = `whsec_${randomBytes(32).toString('base64')}`
const NOW = Date.UTC(2026, 0, 1)
const EVENT = {
  id: 'evt_019b76daa8007c3e8f6e5d1d2b0a9c11_created',
  type: 'order.created',
  client: 'acme',
  timestamp: '2026-01-01T00:00:00.000Z',
  data: { order: { item: 'bücher 本' } },
}
const BODY = JSON.stringify(EVENT)

/** The headers of a webhook, signed by the package of Standard Webhooks. */
function signed(body = BODY, at = NOW, secret = SECRET, id = EVENT.id): Record<string, string> {
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at / 1_000)),
    'webhook-signature': new Webhook(secret).sign(id, new Date(at), body),
  }
}

const verify = (
  body: string | Uint8Array,
  headers: Record<string, string> | Headers,
  secret: string | string[] = SECRET,
) => webhooks.verify(body, headers, { secret, now: () => NOW })

test('a webhook signed by the library of Standard Webhooks is verified, as text and as bytes, with both kinds of headers', async () => {
  assert.deepEqual(await verify(BODY, signed()), EVENT)
  assert.deepEqual(await verify(Buffer.from(BODY), new Headers(signed())), EVENT)
  assert.deepEqual(await verify(BODY, signed(BODY, NOW - 299_000)), EVENT)
  assert.deepEqual(await verify(BODY, signed(BODY, NOW + 299_000)), EVENT)
})

test('while a secret rotates, one of the signatures and one of the secrets is enough', async () => {
  const both = {
    ...signed(),
    'webhook-signature': `v1,AAAA v1a,xyz ${signed(BODY, NOW, OTHER)['webhook-signature']} ${signed()['webhook-signature']}`,
  }
  assert.deepEqual(await verify(BODY, both), EVENT)
  assert.deepEqual(await verify(BODY, both, OTHER), EVENT)
  assert.deepEqual(await verify(BODY, signed(), [OTHER, SECRET]), EVENT)
})

test('other bytes, secrets, ids and times are refused with their fault', async () => {
  const headers = signed()
  const cases: [string, string, Record<string, string>, string?][] = [
    ['signature', `${BODY} `, headers],
    ['signature', JSON.stringify(EVENT, null, 1), headers],
    ['signature', BODY, headers, OTHER],
    ['signature', BODY, { ...headers, 'webhook-id': `${EVENT.id}2` }],
    ['signature', BODY, { ...headers, 'webhook-timestamp': String(NOW / 1_000 + 1) }],
    [
      'signature',
      BODY,
      { ...headers, 'webhook-signature': headers['webhook-signature']?.replace('v1,', 'v2,') ?? '' },
    ],
    ['signature', BODY, { ...headers, 'webhook-signature': 'v1,not base64!' }],
    ['timestamp', BODY, signed(BODY, NOW - 301_000)],
    ['timestamp', BODY, signed(BODY, NOW + 301_000)],
    ['timestamp', BODY, { ...headers, 'webhook-timestamp': '1e9' }],
    ['timestamp', BODY, { ...headers, 'webhook-timestamp': '-1' }],
    ['timestamp', BODY, { ...headers, 'webhook-timestamp': 'NaN' }],
    ['headers', BODY, { 'webhook-id': EVENT.id, 'webhook-timestamp': '1' }],
    ['headers', BODY, {}],
    ['secret', BODY, headers, 'super-secret-key'],
    ['secret', BODY, headers, 'whsec_AAAA'],
    ['body', '[]', signed('[]')],
    ['body', '{', signed('{')],
    ['body', BODY, signed(BODY, NOW, SECRET, 'evt_another')],
  ]
  for (const [fault, body, sent, secret] of cases) {
    const error: unknown = await verify(body, sent, secret).catch((reason: unknown) => reason)
    assert.ok(error instanceof WebhookError, `${fault} ${body.slice(0, 20)}`)
    assert.equal(error.fault, fault)
  }
})

test('a tolerance that is no number is refused: webhooks of any age would be within it', async () => {
  for (const toleranceMs of [Number.NaN, -1, JSON.parse('"300s"')]) {
    const call = webhooks.verify('{}', {}, { secret: 'whsec_c2VjcmV0', toleranceMs })
    await assert.rejects(call, /^RangeError: toleranceMs must be a number from 0, not /)
  }
})
