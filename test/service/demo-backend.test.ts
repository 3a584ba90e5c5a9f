import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { z } from 'zod'
import { exchange } from '../support/raw-http.ts'
import { oncekey } from '../support/run-command.ts'
import { startService } from '../support/service.ts'
import { until } from '../support/until.ts'

const directory = mkdtempSync(join(tmpdir(), 'oncekey-backend-'))
const ledger = join(directory, 'ledger.jsonl')
const backend = await startService({}, ['backend', '--port', '0', '--ledger', ledger])
after(async () => {
  await backend.kill()
  rmSync(directory, { recursive: true })
})

const described = z.strictObject({
  path: z.string(),
  method: z.string(),
  key: z.string().nullable(),
  run: z.number().int(),
  at: z.iso.datetime(),
})

function call(target: string, key?: string, method = 'POST'): Promise<Response> {
  const headers: Record<string, string> = key === undefined ? {} : { 'idempotency-key': key }
  return fetch(`${backend.url}${target}`, { method, headers, redirect: 'manual' })
}

async function count(key: string): Promise<number> {
  const response = await fetch(`${backend.url}/_count?key=${encodeURIComponent(key)}`)
  const told = z.strictObject({ key: z.literal(key), runs: z.number() }).parse(await response.json())
  return told.runs
}

test('every call of a key runs again, is counted, and is one line for a person', async () => {
  for (const run of [1, 2]) {
    const response = await call('/charge?x=1', 'twice')
    assert.equal(response.status, 200)
    const { at, ...rest } = described.parse(await response.json())
    assert.deepEqual(rest, { path: '/charge', method: 'POST', key: 'twice', run })
    assert.ok(Math.abs(Date.parse(at) - Date.now()) < 60_000)
  }
  assert.equal(await count('twice'), 2)
  await until('the lines', () => backend.log().includes('AGAIN'))
  assert.match(backend.log(), /^\d\d:\d\d:\d\d\.\d{3} {2}POST {3}\/charge {2}key twice {2}run 1$/m)
  assert.match(backend.log(), /^\S+ {2}POST {3}\/charge {2}key twice {2}run 2 {2}AGAIN$/m)
})

test('any method and either header count, a quoted key is the same key, and telling changes nothing', async () => {
  await call('/', 'same', 'PUT')
  await call('/', '"same"', 'DELETE')
  await fetch(backend.url, { headers: { 'x-idempotency-key': 'same' } })
  await call('/_outcome/same', 'same')
  await call('/_count?key=same', 'same')
  assert.equal(await count('same'), 3)
  assert.equal(await count('never'), 0)
  const unkeyed = described.parse(await (await call('/')).json())
  assert.equal(unkeyed.key, null)
})

test('/slow takes its time and /fail fails, both after their effect', async () => {
  const startedMs = performance.now()
  const slow = call('/slow?ms=300', 'slow')
  await until('the effect', async () => (await count('slow')) === 1)
  const early = await fetch(`${backend.url}/_outcome/slow`)
  // On a machine that stands still for a moment it may be done by now.
  assert.ok(early.status === 409 || performance.now() - startedMs > 300, String(early.status))
  assert.equal((await slow).status, 200)
  assert.ok(performance.now() - startedMs >= 295)
  assert.equal((await call('/fail', 'failed')).status, 500)
  assert.equal((await call('/fail?status=422', 'failed')).status, 422)
  assert.equal(await count('failed'), 2)
})

test('/cut has its effect and sends its headers and half of its body', async () => {
  const { port } = backend
  const request = 'POST /cut HTTP/1.1\r\nHost: a\r\nIdempotency-Key: cut\r\nContent-Length: 0\r\n\r\n'
  await assert.rejects(exchange(port, request, { until: 'close' }), /an incomplete response.*200 OK.*path/s)
  assert.equal(await count('cut'), 1)
  const told = await fetch(`${backend.url}/_outcome/cut`)
  assert.equal(described.parse(await told.json()).run, 1)
})

test('/big, /sse and /redirect response as they say', async () => {
  const big = await call('/big?bytes=200000', 'big')
  assert.equal(big.headers.get('content-length'), '200000')
  assert.equal((await big.arrayBuffer()).byteLength, 200_000)
  const stream = await call('/sse?events=3&ms=10', 'stream')
  assert.equal(stream.headers.get('content-type'), 'text/event-stream')
  assert.equal((await stream.text()).match(/^id: \d\ndata: \{.*"event":\d\}$/gm)?.length, 3)
  const redirect = await call('/redirect', 'moved')
  assert.deepEqual([redirect.status, redirect.headers.get('location')], [302, '/'])
})

test('the outcome of a key is the response of its first run, byte for byte', async () => {
  const first = await (await call('/fail?status=402', 'a/b c')).text()
  await call('/', 'a/b c')
  const told = await fetch(`${backend.url}/_outcome/${encodeURIComponent('a/b c')}`)
  assert.deepEqual([told.status, told.headers.get('idempotency-status')], [200, '402'])
  assert.equal(told.headers.get('content-type'), 'application/json')
  assert.equal(await told.text(), first)
  const never = await fetch(`${backend.url}/_outcome/never`)
  assert.deepEqual([never.status, never.headers.get('idempotency-status')], [404, null])
  await (await call('/big?bytes=100000', 'large')).arrayBuffer()
  assert.equal(
    (await fetch(`${backend.url}/_outcome/large`)).status,
    409,
    'too large to keep is not "never ran"',
  )
})

test('half of a request, and a setting that makes no sense, have no effect', async () => {
  const request = 'POST / HTTP/1.1\r\nHost: a\r\nIdempotency-Key: half\r\nContent-Length: 10\r\n\r\n12345'
  const cut = exchange(backend.port, request, { until: 'close', write: (socket) => void socket.end() })
  await cut.catch(() => {})
  assert.equal((await call('/slow?ms=soon', 'half')).status, 400)
  assert.equal((await call('/fail?status=200', 'half')).status, 400)
  assert.equal(await count('half'), 0)
})

test('the ledger has a line for each run', async () => {
  await call('/', 'written')
  await call('/', 'written')
  const lines = readFileSync(ledger, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  const own = lines.filter(({ key }) => key === 'written')
  assert.deepEqual(
    own.map(({ run, method, path }) => [run, method, path]),
    [
      [1, 'POST', '/'],
      [2, 'POST', '/'],
    ],
  )
  const totals = z.object({ runs: z.number() }).parse(await (await fetch(`${backend.url}/_count`)).json())
  assert.equal(totals.runs, lines.length)
})

test('SIGTERM ends it with 0, also while something is slow; wrong options are said in a line', async () => {
  const other = await startService({}, ['backend', '--port', '0'])
  const slow = fetch(`${other.url}/slow`).catch(() => 'gone')
  await until('the call to be there', () => other.log().includes('/slow'))
  assert.deepEqual(await other.stop(), { code: 0, signal: null })
  assert.equal(await slow, 'gone')
  const { code, stderr } = await oncekey(['backend', '--port', 'x'])
  assert.deepEqual([code, stderr], [1, 'oncekey backend: --port x: must be from 0 to 65535\n'])
  const taken = await oncekey(['backend', '--port', String(backend.port)])
  assert.equal(taken.code, 1)
  assert.match(taken.stderr, /^oncekey backend: listen EADDRINUSE[^\n]*\n$/)
})
