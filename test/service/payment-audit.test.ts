import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { z } from 'zod'
import { auditLog } from '../../internal/audit/audit-log.ts'
import { openDatabase } from '../../internal/database/database.ts'
import { audit } from '../support/audit.ts'
import { one, type RawResponse } from '../support/raw-http.ts'
import { newKey, signedGet, signedOrder } from '../support/raw-order.ts'
import { createDatabase } from '../support/servers.ts'
import { startService } from '../support/service.ts'

const TARGET = '/api/v1/payments'
const METHOD = '4242424242424242'
const BODY = JSON.stringify({ amount: '19.90', currency: 'USD', payment_method: METHOD })
const created = await createDatabase()
const database = openDatabase(created.url)
after(async () => {
  await database.close()
  await created.drop()
})
/** A written observation is there a second after the response, on a busy machine later. */
const WAIT_MS = 30_000

const entry = z.looseObject({
  event_type: z.string(),
  http_status: z.number().optional(),
  code: z.string().optional(),
  idempotency_key: z.string().optional(),
  count: z.number().optional(),
})
type Entry = z.infer<typeof entry>
const page = z.object({ entries: z.array(entry) })

test('what happens to payments is in the trail of their client, each in its words, and nothing secret', async (t) => {
  const service = await startService({ DATABASE_URL: created.url, RATE_LIMITS: 'endpoint=12/600s' })
  t.after(() => service.kill())
  const key = () => `payment-${newKey()}`
  const pay = (keyOf: string, body = BODY, change = {}): Promise<RawResponse> =>
    one(service.port, signedOrder({ target: TARGET, key: keyOf, body, ...change }))
  const read = async (): Promise<Entry[]> => {
    const response = await one(service.port, signedGet('/api/v1/audit-logs?limit=100'))
    assert.equal(response.status, 200, response.body)
    return page.parse(JSON.parse(response.body)).entries
  }
  const [first, declined, invalid] = [key(), key(), key()]

  assert.equal((await pay(first)).status, 200)
  const atOnce = (await read()).map(({ event_type }) => event_type)
  assert.deepEqual(atOnce, ['payment.completed', 'payment.attempted'], 'written with the payment')
  assert.equal((await pay(first)).status, 200)
  assert.equal((await pay(first, BODY.replace('19.90', '20'))).status, 409)
  assert.equal((await pay(declined, BODY.replace(METHOD, `${METHOD}declined`))).status, 402)
  assert.equal((await pay(declined, BODY.replace(METHOD, `${METHOD}declined`))).status, 402)
  assert.equal((await pay(invalid, '{}')).status, 422)
  assert.equal((await pay('short')).status, 400)
  // Not authenticated: nothing of it is kept.
  assert.equal((await pay(key(), BODY, { signature: 'a'.repeat(64) })).status, 401)

  const limited: string[] = []
  for (let n = 0; n < 30; n++) {
    const own = key()
    if ((await pay(own)).status === 429) limited.push(own)
  }
  assert.ok(limited.length > 5, `${limited.length} were limited`)
  const written = async () => {
    const entries = await auditLog(database).list('default', { limit: 100 })
    return entries.map((one) => entry.parse({ ...JSON.parse(one.entry), event_type: one.eventType }))
  }
  // Not over the service, whose limit also counts the reading.
  await eventually(written, (entries) => sum(entries, 'rate_limited') === limited.length)
  const observed = await read()
  const words = (keyOf: string | undefined) =>
    observed
      .filter(({ idempotency_key }) => idempotency_key === keyOf)
      .map((one) => [one.event_type, one.http_status, one.code])
      .reverse()
  assert.deepEqual(words(first), [
    ['payment.attempted', undefined, undefined],
    ['payment.completed', undefined, undefined],
    ['payment.replayed', 200, undefined],
    ['payment.conflict', 409, 'idempotency_key_reused'],
  ])
  assert.deepEqual(
    words(declined).map(([type]) => type),
    ['payment.attempted', 'payment.declined', 'payment.replayed'],
  )
  assert.deepEqual(words(invalid), [['payment.refused', 422, 'validation_failed']])
  assert.equal(sum(observed, 'idempotency_key_invalid'), 1)
  assert.equal(sum(observed, 'signature_invalid'), 0)
  assert.doesNotMatch(JSON.stringify(observed), new RegExp(METHOD))

  // What is waiting is written before the end.
  assert.equal((await pay(first, BODY.replace('19.90', '21'))).status, 429)
  await service.stop()
  const [report, ...more] = await audit(database, new Map())
  assert.deepEqual([report?.client, report?.fault, more], ['default', null, []])
  assert.equal(sum(await written(), 'rate_limited'), limited.length + 1)
})

function sum(
  entries: readonly { code?: string | undefined; count?: number | undefined }[],
  code: string,
): number {
  return entries.filter((one) => one.code === code).reduce((all, { count = 0 }) => all + count, 0)
}

async function eventually<T>(look: () => Promise<T>, isThere: (value: T) => boolean): Promise<T> {
  const untilMs = performance.now() + WAIT_MS
  for (;;) {
    const value = await look()
    if (isThere(value)) return value
    assert.ok(performance.now() < untilMs, JSON.stringify(value))
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
