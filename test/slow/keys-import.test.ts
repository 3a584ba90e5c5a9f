import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { orderBody, postOrder, send } from '../support/order-client.ts'
import { startBackend, startProxy } from '../support/proxy.ts'
import { oncekey } from '../support/run-command.ts'
import { createDatabase, redisUrl, startRedis } from '../support/servers.ts'
import { type Service, type Settings, startService } from '../support/service.ts'

const directory = mkdtempSync(join(tmpdir(), 'oncekey-import-'))
after(() => rmSync(directory, { recursive: true }))

let files = 0
function fileOf(...lines: (object | string)[]): string {
  const file = join(directory, `${++files}.jsonl`)
  writeFileSync(file, lines.map((one) => (typeof one === 'string' ? one : JSON.stringify(one))).join('\n'))
  return file
}

/** As the old system gave it: with a member that this service does not know, and a line break. */
const OLD = '{"ok":true, "orderId":17,"note":"für später"}\n'
const orderLine = (key: string, more: object = {}) => ({
  client: 'default',
  method: 'POST',
  target: '/orders',
  key,
  request_body: orderBody(),
  status: 201,
  headers: { 'Content-Type': 'application/json', Location: '/old/orders/17' },
  body: OLD,
  ...more,
})

describe('with keys in PostgreSQL', () => imports(async () => ({ settings: {}, close: async () => {} })))

describe('with keys in Redis', () =>
  imports(async () => {
    const redis = await startRedis()
    return { settings: { REDIS_URL: redis.url }, close: () => redis.stop() }
  }))

function imports(store: () => Promise<{ settings: Settings; close(): Promise<void> }>): void {
  let settings: Settings
  let service: Service
  const closing: (() => Promise<unknown>)[] = []
  before(async () => {
    const database = await createDatabase()
    closing.unshift(database.drop)
    const { settings: more, close } = await store()
    closing.unshift(close)
    settings = { DATABASE_URL: database.url, ...more }
    service = await startService({ ...settings, RATE_LIMITS: 'none' })
    closing.unshift(() => service.stop())
  })
  after(async () => {
    for (const close of closing) await close()
  })
  const keysImport = (...args: string[]) => oncekey(['keys', 'import', ...args], settings)

  test('a retry gets exactly the imported response, another payload 409, and no order is placed', async () => {
    const file = fileOf(orderLine('old-1'), '', orderLine('old-2', { body: undefined, body_base64: 'AP8K' }))
    const dry = await keysImport(file, '--dry-run')
    assert.equal(dry.stdout, 'to import 2, already there 0, left alone 0, expired 0: nothing was changed\n')
    assert.equal(dry.code, 0, dry.stderr)
    const first = await keysImport(file)
    assert.deepEqual(
      [first.code, first.stdout],
      [0, 'imported 2, already there 0, left alone 0, expired 0\n'],
    )
    for (const attempt of [1, 2]) {
      const retry = await postOrder(service.url, 'old-1', orderBody())
      assert.equal(retry.status, 201, `attempt ${attempt}`)
      assert.equal(retry.body.toString(), OLD)
      assert.equal(retry.headers['content-type'], 'application/json')
      assert.equal(retry.headers.location, '/old/orders/17')
      assert.equal(retry.headers['idempotent-replayed'], 'true')
    }
    assert.deepEqual((await postOrder(service.url, 'old-2', orderBody())).body, Buffer.from([0, 255, 10]))
    const other = await postOrder(service.url, 'old-1', orderBody({ amount: 501 }))
    assert.deepEqual([other.status, other.code], [409, 'idempotency_key_reused'])
    const again = await keysImport(file, '--json')
    assert.deepEqual(JSON.parse(again.stdout), {
      dry_run: false,
      imported: 0,
      already_there: 2,
      left_alone: 0,
      expired: 0,
    })
    assert.equal(again.code, 0)
  })

  test('the line of docs/migrating.md is imported', async () => {
    const page = readFileSync(new URL('../../docs/migrating.md', import.meta.url), 'utf8')
    const line = /```json\n(.*)\n```/.exec(page)?.[1] ?? ''
    const { code, stderr } = await keysImport(fileOf(line))
    assert.equal(code, 0, stderr)
    const retry = await postOrder(service.url, 'key-001', orderBody())
    assert.deepEqual([retry.status, retry.body.toString()], [201, '{"ok":true}'])
  })

  test('an order of this service stays what it is, and its line is named', async () => {
    const placed = await postOrder(service.url, 'new-1', orderBody())
    assert.equal(placed.status, 201)
    const file = fileOf(orderLine('old-3'), orderLine('new-1'))
    const { code, stdout, stderr } = await keysImport(file)
    assert.deepEqual([code, stdout], [1, 'imported 1, already there 0, left alone 1, expired 0\n'])
    assert.match(stderr, /jsonl, line 2: the key has a record or an order of its own, which stays\n/)
    const retry = await postOrder(service.url, 'new-1', orderBody())
    assert.deepEqual(retry.body, placed.body)
  })

  test('payments of both routes are imported, by body, by its SHA-256, and until a time', async () => {
    const body = '{"amount":"19.90","currency":"EUR","payment_method":"tok_visa_4242"}'
    const paid = { client: 'test-user', method: 'POST', target: '/api/v1/payments', status: 402, body: OLD }
    const key = 'payment-of-the-old-system'
    const pay = '{"user_id":"u","amount":5,"idempotency_key":"p 1"}'
    const hour = new Date(Date.now() + 3_600_000).toISOString()
    const file = fileOf(
      {
        ...paid,
        key,
        request_body_sha256: createHash('sha256').update(body).digest('hex'),
        expires_at: hour,
      },
      { ...paid, client: 'anonymous', target: '/pay', key: 'p 1', status: 200, request_body: pay },
      { ...paid, key: `${key}-2`, request_body: body, expires_at: '2020-01-01T00:00:00+01:00' },
    )
    const { code, stdout, stderr } = await keysImport(file)
    assert.deepEqual([code, stdout], [0, 'imported 2, already there 0, left alone 0, expired 1\n'], stderr)
    const headers = { 'Content-Type': 'application/json' }
    const bearer = { ...headers, Authorization: 'Bearer test-api-key', 'Idempotency-Key': key }
    const v1 = await send(`${service.url}/api/v1/payments`, { method: 'POST', headers: bearer, body })
    assert.deepEqual([v1.status, v1.body.toString()], [402, OLD])
    const simple = await send(`${service.url}/pay`, { method: 'POST', headers, body: pay })
    assert.deepEqual([simple.status, simple.body.toString()], [200, OLD])
    const id = ['--client', 'test-user', '--scope', 'POST /api/v1/payments', '--key', key]
    const shown = await oncekey(['keys', 'show', ...id], settings)
    assert.match(shown.stdout, /^forgotten +in 59 min/m)
  })

  test('a file with a fault changes nothing, and every faulty line is named', async () => {
    const file = fileOf(
      orderLine('faulty'),
      '{"client":"default"',
      orderLine('b', { status: 500 }),
      orderLine('c', { target: '/order' }),
      orderLine('faulty'),
      orderLine('d', { request_body: undefined }),
      orderLine('e', { expires_at: '2026-02-30T00:00:00Z' }),
      orderLine('f', { respnse: '' }),
      orderLine('g', { target: '/api/v1/payments' }),
      orderLine('h', { headers: { Location: 'a\nb' } }),
      orderLine('i', { request_headers: {} }),
      JSON.stringify(orderLine('j')).replace('"status"', '"st\\u0061tus":409,"status"'),
      JSON.stringify(orderLine('k', { headers: {} })).replace(
        '"headers":{',
        '"headers":{"Location":"/a","Location":"/b"',
      ),
      orderLine('l', { headers: { Location: '/a', location: '/b' } }),
    )
    const { code, stdout, stderr } = await keysImport(file)
    assert.deepEqual([code, stdout], [1, ''])
    for (const rule of [
      'line 2: is not JSON',
      'line 3: status: a response 500 is never stored',
      'line 4: POST /order is no route of the service',
      'line 5: the key of line 1 again',
      'line 6: needs one of request_body, request_body_base64 and request_body_sha256',
      'line 7: expires_at: must be a time of RFC 3339',
      'line 8: Unrecognized key: "respnse"',
      'line 9: key: it must be 16 to 255',
      'line 10: headers.Location: ',
      'line 11: request_headers count for the sidecar only',
      'line 12: /status appears twice',
      'line 13: /headers/Location appears twice',
      'line 14: headers: has a header twice',
    ]) {
      assert.ok(stderr.includes(`${file}, ${rule}`), `${rule}\n${stderr}`)
    }
    assert.match(stderr, /13 of 14 lines of \S+ have a fault: nothing was imported\n$/)
    const placed = await postOrder(service.url, 'faulty', orderBody())
    assert.equal(placed.headers['idempotent-replayed'], undefined)
  })

  test('a file that is not there, or not UTF-8, is named in one line', async () => {
    const missing = await keysImport(join(directory, 'none'))
    assert.equal(missing.code, 1)
    assert.match(missing.stderr, /oncekey keys: \S+\/none: [^\n]*ENOENT[^\n]*\n$/)
    const latin = join(directory, 'latin-1.jsonl')
    writeFileSync(latin, Buffer.from('{"key":"\xe9"}\n', 'latin1'))
    const { code, stderr } = await keysImport(latin)
    assert.equal(code, 1)
    assert.match(stderr, /latin-1\.jsonl, line 1: is not UTF-8\n$/)
  })

  test('5,000 lines: with progress where it takes long, and each is replayed', async () => {
    const lines = Array.from({ length: 5_000 }, (_, n) => orderLine(`many-${n}`, { body: `{"n":${n}}` }))
    const { code, stdout, stderr } = await keysImport(fileOf(...lines))
    assert.deepEqual([code, stdout], [0, 'imported 5000, already there 0, left alone 0, expired 0\n'], stderr)
    for (const n of [0, 199, 200, 4_999]) {
      const retry = await postOrder(service.url, `many-${n}`, orderBody())
      assert.equal(retry.body.toString(), `{"n":${n}}`)
    }
  })
}

test('the sidecar replays what was imported, to the same credentials only, and the backend is not called', async (t) => {
  const backend = await startBackend(t, (res) => void res.end('run'))
  const name = `import-${randomBytes(4).toString('hex')}`
  const proxy = await startProxy(t, backend.url, ['--name', name])
  const charge = {
    client: 'anonymous',
    method: 'POST',
    target: '/charge?fast=1',
    scope: `${name} POST /charge`,
    key: 'k-1',
    request_headers: { Authorization: 'Bearer a', 'User-Agent': 'old' },
    request_body: 'x=1',
    status: 201,
    headers: {
      'Content-Type': 'text/plain',
      'X-Charge': '17',
      Link: ['<a>', '<b>'],
      Date: 'Thu, 01 Jan 1970 00:00:00 GMT',
    },
    body: OLD,
  }
  const file = fileOf(charge)
  const settings = { REDIS_URL: redisUrl }
  const refused = await oncekey(['keys', 'import', file], settings)
  assert.match(refused.stderr, /line 1: request_headers count for the sidecar only/)
  const done = await oncekey(['keys', 'import', '--sidecar', file], settings)
  assert.deepEqual(
    [done.code, done.stdout],
    [0, 'imported 1, already there 0, left alone 0, expired 0\n'],
    done.stderr,
  )
  const retry = (credential: string, body = 'x=1') =>
    send(`${proxy.url}/charge?fast=1`, {
      method: 'POST',
      headers: { 'X-Idempotency-Key': 'k-1', Authorization: credential },
      body,
    })
  const replayed = await retry('Bearer a')
  assert.deepEqual([replayed.status, replayed.body.toString()], [201, OLD])
  const { 'content-type': type, 'x-charge': own, link, date } = replayed.headers
  assert.deepEqual([type, own, link], ['text/plain', '17', '<a>, <b>'])
  assert.notEqual(date, charge.headers.Date)
  const refusals = [await retry('Bearer b'), await retry('Bearer a', 'x=2')]
  assert.deepEqual(
    refusals.map(({ status, code }) => [status, code]),
    [
      [409, 'idempotency_key_reused'],
      [409, 'idempotency_key_reused'],
    ],
  )
  assert.equal(backend.reached.length, 0)
})
