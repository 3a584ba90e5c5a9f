import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { after, test } from 'node:test'
import postgres from 'postgres'
import { createDatabase } from '../support/servers.ts'
import { startService } from '../support/service.ts'

const database = await createDatabase()
const service = await startService({
  DATABASE_URL: database.url,
  RATE_LIMITS: 'none',
  SIMULATED_FAILURE_RATE: '0',
})
const sql = postgres(database.url, { max: 1, onnotice: () => {} })
after(async () => {
  await sql.end()
  await service.kill()
  await database.drop()
})

const signature = (body: string) => createHmac('sha256', 'super-secret-key').update(body).digest('hex')

/** For each route with a key: a valid body, and one that is refused. */
const ROUTES: [path: string, good: object, bad: object, status: number][] = [
  ['/orders', { user_id: 'u', item: 'book', amount: 5 }, { user_id: 'u', item: 'book', amount: -5 }, 201],
  [
    '/api/v1/payments',
    { amount: '5', currency: 'EUR', payment_method: 'tok_4242' },
    { amount: '5', currency: 'XXX', payment_method: 'tok_4242' },
    200,
  ],
  [
    '/pay',
    { user_id: 'u', amount: 5, idempotency_key: 'key-refused-body-1' },
    { user_id: 'u', amount: -5, idempotency_key: 'key-refused-body-1' },
    200,
  ],
]

for (const [path, good, bad, status] of ROUTES) {
  test(`a refused body does not take the key of a completed ${path}, even if its record is gone`, async () => {
    const send = async (value: object) => {
      const body = JSON.stringify(value)
      const headers: Record<string, string> = {
        'Content-Type': 'application/json',
        'X-Signature': signature(body),
        ...(path === '/pay' ? {} : { 'Idempotency-Key': 'key-refused-body-1' }),
      }
      const response = await fetch(`${service.url}${path}`, { method: 'POST', headers, body })
      return { status: response.status, text: await response.text() }
    }
    const first = await send(good)
    assert.equal(first.status, status)
    await sql`DELETE FROM idempotency_keys`
    const refused = await send(bad)
    assert.equal(refused.status, 409)
    assert.match(refused.text, /"code":"idempotency_key_reused"/)
    assert.deepEqual(await send(good), first)
  })
}
