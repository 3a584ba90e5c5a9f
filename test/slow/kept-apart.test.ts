import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { mkdtempSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { newKey, orderBody, orderHeaders, send } from '../support/order-client.ts'
import { startBackend, startProxy } from '../support/proxy.ts'
import { exchange } from '../support/raw-http.ts'
import { createDatabase } from '../support/servers.ts'
import { startService } from '../support/service.ts'

const HOUR_MS = 3_600_000
const bearer = { Authorization: 'Bearer test-api-key' }

test('files of the embedded database are for their owner alone, in a directory that was open, whatever the umask', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'oncekey-open-'))
  const before = process.umask(0)
  const service = await startService({ DATA_DIR: root }).finally(() => process.umask(before))
  t.after(() => service.kill())
  const key = newKey()
  const body = orderBody()
  const request = { method: 'POST', headers: orderHeaders(key, body), body }
  assert.equal((await send(`${service.url}/orders`, request)).status, 201)
  const modes = new Set<string>()
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    // PGlite gives these caches of its catalogue a mode by itself; their directory keeps everybody out.
    if (entry.name === 'pg_internal.init') continue
    const { mode } = statSync(join(entry.parentPath, entry.name))
    modes.add(`${entry.isDirectory() ? 'directory' : 'file'} ${(mode & 0o777).toString(8)}`)
  }
  assert.deepEqual([...modes].sort(), ['directory 700', 'file 600'])
})

test('time and place of an order are those of the database, whatever the clock of the node says', async (t) => {
  const database = await createDatabase()
  t.after(() => database.drop())
  const clock = join(mkdtempSync(join(tmpdir(), 'oncekey-clock-')), 'shift')
  writeFileSync(clock, String(3 * HOUR_MS))
  const shift = fileURLToPath(new URL('../chaos/clock-shift.mjs', import.meta.url))
  const settings = { DATABASE_URL: database.url, SIMULATED_FAILURE_RATE: '0' }
  const fast = await startService({ ...settings, NODE_OPTIONS: `--import=${shift}`, CHAOS_CLOCK: clock })
  t.after(() => fast.kill())
  const right = await startService(settings)
  t.after(() => right.kill())
  const place = async (url: string): Promise<{ id: string; created_at: string }> => {
    const body = orderBody()
    // The scheme without a time: the node takes no other from a client whose clock is right.
    const signature = createHmac('sha256', 'super-secret-key').update(body).digest('hex')
    const headers = {
      'Content-Type': 'application/json',
      'Idempotency-Key': newKey(),
      'X-Signature': signature,
    }
    const reply = await send(`${url}/orders`, { method: 'POST', headers, body })
    assert.equal(reply.status, 201, reply.body.toString())
    return JSON.parse(reply.body.toString()).order
  }
  const first = await place(fast.url)
  assert.ok(Math.abs(Date.parse(first.created_at) - Date.now()) < 60_000, first.created_at)
  const second = await place(right.url)
  assert.ok(first.id < second.id, 'the list is in the order of the ids')
})

test('no cache may keep what belongs to a caller: at the service, replayed, and through the sidecar', async (t) => {
  const database = await createDatabase()
  t.after(() => database.drop())
  const service = await startService({ DATABASE_URL: database.url, SIMULATED_FAILURE_RATE: '0' })
  t.after(() => service.kill())
  const body = orderBody()
  const request = { method: 'POST', headers: orderHeaders(newKey(), body), body }
  for (let n = 0; n < 2; n++) {
    const reply = await send(`${service.url}/orders`, request)
    assert.equal(`${reply.status} ${reply.headers['cache-control']}`, '201 no-store')
  }
  for (const path of ['rate-limits', 'audit-logs']) {
    const reply = await send(`${service.url}/api/v1/${path}`, { headers: bearer })
    assert.equal(`${reply.status} ${reply.headers['cache-control']}`, '200 no-store', path)
  }
  const paid = await send(`${service.url}/pay`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ user_id: 'u', amount: 5, idempotency_key: newKey() }),
  })
  assert.equal(`${paid.status} ${paid.headers['cache-control']}`, '200 no-store')

  let cacheControl: string | undefined
  const backend = await startBackend(t, (res) => {
    if (cacheControl !== undefined) res.setHeader('Cache-Control', cacheControl)
    res.end('ok')
  })
  const sidecar = await startProxy(t, backend.url, ['--verify'])
  const through = async () =>
    (await send(`${sidecar.url}/orders`, { ...request, headers: orderHeaders(newKey(), body) })).headers[
      'cache-control'
    ]
  assert.equal(await through(), 'no-store')
  cacheControl = 'private'
  assert.equal(await through(), 'private', 'the backend may say otherwise')
})

test('the console with the published token is for names of this machine', async (t) => {
  const service = await startService()
  t.after(() => service.kill())
  const statuses = async (host: string) => {
    const request = (path: string) =>
      `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer operator\r\nX-Forwarded-Host: localhost\r\n\r\n`
    const { responses } = await exchange(
      service.port,
      request('/console') + request('/console/api/overview'),
      {
        until: 2,
        timeoutMs: 15_000,
      },
    )
    return responses.map(({ status }) => status)
  }
  for (const host of ['localhost', `127.0.0.1:${service.port}`, '127.8.0.1', '[::1]:80', 'LOCALHOST']) {
    assert.deepEqual(await statuses(host), [200, 200], host)
  }
  for (const host of [
    'evil.example',
    '127.0.0.1.evil.example',
    'localhost.evil.example:80',
    '10.0.0.1',
    '[::2]',
  ]) {
    assert.deepEqual(await statuses(host), [400, 400], host)
  }
})
