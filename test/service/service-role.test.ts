import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { newKey, orderBody, postOrder, send } from '../support/order-client.ts'
import { oncekey } from '../support/run-command.ts'
import { besideInitdb, query, startPostgres } from '../support/servers.ts'
import { startService } from '../support/service.ts'

const ROLES = fileURLToPath(new URL('../../deploy/postgres/roles.sql', import.meta.url))

test('the service works with the role that Compose gives it, which owns nothing and is no superuser', async (t) => {
  const server = await startPostgres()
  t.after(() => server.stop())
  const passwords = { OWNER_PASSWORD: "o'wner", SERVICE_PASSWORD: 'service' }
  const psql = ['-v', 'ON_ERROR_STOP=1', '-q', '-f', ROLES, server.url]
  execFileSync(besideInitdb('psql'), psql, {
    env: { ...process.env, ...passwords },
    stdio: 'pipe',
  })
  const as = (role: string) => {
    const url = new URL(server.url)
    url.username = role
    url.pathname = '/oncekey'
    return url.href
  }
  const migrated = await oncekey(['migrate'], { DATABASE_URL: as('oncekey_owner') })
  assert.equal(migrated.code, 0, migrated.stderr)

  const service = await startService({ DATABASE_URL: as('oncekey'), SIMULATED_FAILURE_RATE: '0' })
  t.after(() => service.kill())
  const key = newKey()
  assert.equal((await postOrder(service.url, key, orderBody())).status, 201)
  assert.equal((await postOrder(service.url, key, orderBody())).headers['idempotent-replayed'], 'true')
  const headers = {
    'Content-Type': 'application/json',
    Authorization: 'Bearer test-api-key',
    'Idempotency-Key': `${newKey()}-0000000000`,
  }
  const body = JSON.stringify({ amount: 500, currency: 'EUR', payment_method: 'card' })
  const api = `${service.url}/api/v1`
  const paid = await send(`${api}/payments`, { method: 'POST', headers, body })
  assert.ok([200, 402].includes(paid.status), `${paid.status} ${paid.body}`)
  assert.equal(
    (await send(`${api}/audit-logs`, { headers: { Authorization: headers.Authorization } })).status,
    200,
  )
  assert.equal((await send(`${service.url}/readyz`)).status, 200)

  const [role] = await query<Record<string, unknown>[]>(
    as('oncekey'),
    (sql) => sql`
      SELECT rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls AS may,
        (SELECT count(*)::int FROM pg_class WHERE relowner = pg_roles.oid) AS owns
      FROM pg_roles WHERE rolname = current_user`,
  )
  assert.deepEqual(role && { ...role }, { may: false, owns: 0 })
  for (const statement of [
    'CREATE TABLE t ()',
    'DROP TABLE orders',
    'TRUNCATE orders',
    'ALTER TABLE orders ADD COLUMN x text',
    'ALTER TABLE audit_log DISABLE TRIGGER ALL',
    "UPDATE audit_log SET entry = '{}'",
    'DELETE FROM audit_log',
    'CREATE DATABASE d',
  ]) {
    await assert.rejects(
      query(as('oncekey'), (sql) => sql.unsafe(statement)),
      { code: '42501' },
      statement,
    )
  }
})
