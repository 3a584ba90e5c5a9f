import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHmac, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openDatabase } from '../../internal/database/database.ts'
import { migrate } from '../../internal/database/migrate.ts'
import { connectRedis } from '../../internal/database/redis.ts'
import { postgresStore } from '../../internal/idempotency/postgres-store.ts'
import { redisStore } from '../../internal/idempotency/redis-store.ts'
import type { IdempotencyStore, KeyId, UnknownReason } from '../../internal/idempotency/store.ts'
import { SQL_DIRECTORY } from '../../src/package-root.ts'
import { migratedDatabase } from '../support/migrated-database.ts'
import { connected } from '../support/redis-ready.ts'
import { oncekey } from '../support/run-command.ts'
import { createDatabase, freePort, startRedis } from '../support/servers.ts'
import { type Settings, startService } from '../support/service.ts'

interface Subject {
  store: IdempotencyStore
  settings: Settings
  close(): Promise<void>
}

const directory = mkdtempSync(join(tmpdir(), 'oncekey-keys-'))
after(() => rmSync(directory, { recursive: true }))

const FINGERPRINT = 'a'.repeat(64)
const TTL = { ttlMs: 86_400_000 }
const RESPONSE = { status: 201, headers: {}, body: Buffer.from('{"secret":"body"}') }
const token = () => randomBytes(16).toString('hex')
const JSON_LINE = /^\{.*\}$/

async function sent(store: IdempotencyStore, id: KeyId, reason?: UnknownReason): Promise<string> {
  const mine = token()
  await store.claim(id, FINGERPRINT, mine, 60_000)
  await store.dispatch(id, mine)
  if (reason !== undefined) await store.release(id, mine, { unknown: reason })
  return mine
}

describe('with Redis', () =>
  commands(async () => {
    const server = await startRedis()
    const redis = await connected(connectRedis(server.url))
    return {
      store: redisStore(redis, TTL),
      settings: { REDIS_URL: server.url },
      async close() {
        await redis.close()
        await server.stop()
      },
    }
  }))

describe('with PostgreSQL', () =>
  commands(async () => {
    const { url, drop } = await createDatabase()
    const database = openDatabase(url)
    await migrate(database, SQL_DIRECTORY)
    return {
      store: postgresStore(database, TTL),
      settings: { DATABASE_URL: url },
      async close() {
        await database.close()
        await drop()
      },
    }
  }))

function commands(open: () => Promise<Subject>): void {
  let store: IdempotencyStore
  let subject: Subject
  before(async () => {
    subject = await open()
    store = subject.store
  })
  after(() => subject.close())
  const keys = async (...args: string[]) => {
    const { code, stdout, stderr } = await oncekey(['keys', ...args], subject.settings)
    // The store is named before anything else is said.
    assert.match(stderr, /^oncekey: the keys in [^\n]+\n/)
    return { code, stdout, stderr: stderr.replace(/^[^\n]*\n/, '') }
  }
  const naming = ({ client, scope, key }: KeyId) => ['--client', client, '--scope', scope, '--key', key]
  async function json(...args: string[]) {
    const { code, stdout, stderr } = await keys(...args, '--json')
    assert.equal(code, 0, stderr)
    const lines = stdout.split('\n').filter(Boolean)
    for (const line of lines) assert.match(line, JSON_LINE)
    return lines.map((line) => JSON.parse(line))
  }

  test('list tells what waits for somebody, of all clients or of one', async () => {
    const id = { client: 'lister', scope: 'POST /charge', key: 'a "key" with spaces' }
    const mine = await sent(store, id, 'backend_timeout')
    await sent(store, { ...id, key: 'open' })
    await sent(store, { ...id, client: 'another' }, 'connection_lost')
    const { code, stdout } = await keys('list', '--client', 'lister', '--state', 'unknown')
    assert.equal(code, 0)
    assert.match(
      stdout,
      /^unknown {6}lister {2}"POST \/charge" {2}"a \\"key\\" with spaces" {2}backend_timeout, \S.* ago\n$/,
    )
    const [record, ...others] = await json('list', '--client', 'lister', '--state', 'unknown')
    assert.deepEqual(others, [])
    const { since_ms, ...rest } = record
    assert.ok(since_ms >= 0)
    assert.deepEqual(rest, {
      ...id,
      state: 'unknown',
      attempt: 1,
      reason: 'backend_timeout',
      expires_ms: null,
    })
    assert.equal((await json('list', '--client', 'lister')).length, 2)
    assert.equal((await json('list', '--client', 'lister', '--state', 'in_progress')).length, 1)
    assert.ok((await json('list', '--state', 'unknown')).some(({ client }) => client === 'another'))
    const [all, cut, none] = await Promise.all([
      keys('list'),
      keys('list', '--limit', '1'),
      keys('list', '--client', 'nobody'),
    ])
    assert.doesNotMatch(all.stdout, new RegExp(mine), 'who has the token could complete the key')
    assert.equal(cut.stdout.split('\n').length, 2)
    assert.match(cut.stderr, /^oncekey keys: there are more than 1: see --limit/)
    assert.equal(none.stdout, 'no keys\n')
  })

  test('resolve makes every retry get the response, once, and the log keeps who said so', async () => {
    const id = { client: 'resolver', scope: 'POST /charge', key: 'k-1' }
    await sent(store, id, 'answer_truncated')
    const file = join(directory, 'body.json')
    writeFileSync(file, '{"charge":"ü"}\n')
    const options = ['--status', '200', '--body', file, '--by', 'jane', '--reason', 'in the ledger']
    const { code, stdout, stderr } = await keys('resolve', ...naming(id), ...options)
    assert.equal(code, 0, stderr)
    assert.equal(stdout, 'resolved: every retry gets 200 with 16 bytes from now on\n')
    assert.deepEqual(await store.claim(id, FINGERPRINT, token(), 1_000), {
      outcome: 'replay',
      response: {
        status: 200,
        headers: { 'Content-Type': 'application/json' },
        body: Buffer.from('{"charge":"ü"}\n'),
      },
    })
    const again = await keys('resolve', ...naming(id), ...options)
    assert.equal(again.code, 1)
    assert.match(again.stderr, /^oncekey keys: this key is completed: its response is known, and replayed\n$/)
    const shown = await keys('show', ...naming(id))
    assert.match(shown.stdout, /^state +completed, returned 200, as "jane" said$/m)
    assert.match(shown.stdout, /^forgotten +in 23 h 59 min$/m)
    const [entry, ...others] = await json('log', '--client', 'resolver')
    assert.deepEqual(others, [])
    const { at, ...rest } = entry
    assert.ok(Math.abs(Date.parse(at) - Date.now()) < 120_000, at)
    assert.deepEqual(rest, { ...id, event: 'key.resolved', by: 'jane', status: 200, reason: 'in the ledger' })
    const log = await keys('log')
    assert.match(
      log.stdout,
      /^\S+Z {2}"jane" resolved with 200 {2}resolver {2}"POST \/charge" {2}"k-1": "in the ledger"$/m,
    )
  })

  test('release frees the key only with --yes, in the name of whoever runs it', async () => {
    const id = { client: 'releaser', scope: 'POST /charge', key: 'k-1' }
    await sent(store, id, 'connection_lost')
    const unsaid = await keys('release', ...naming(id))
    assert.equal(unsaid.code, 1)
    assert.match(unsaid.stderr, /will run the request again: --yes/)
    assert.equal((await store.claim(id, FINGERPRINT, token(), 1_000)).outcome, 'unknown')
    const { code, stdout, stderr } = await keys('release', ...naming(id), '--yes')
    assert.equal(code, 0, stderr)
    assert.equal(stdout, 'released: the next retry runs the request again\n')
    assert.deepEqual(await store.claim(id, FINGERPRINT, token(), 60_000), { outcome: 'acquired', attempt: 1 })
    const [entry] = await json('log', '--client', 'releaser')
    assert.deepEqual([entry.event, entry.by], ['key.released', userInfo().username])
  })

  test('what is in flight, completed or absent is left alone, and the exit code says so', async () => {
    const open = { client: 'refuser', scope: 'POST /charge', key: 'open' }
    const mine = await sent(store, open)
    for (const verb of [
      ['release', '--yes'],
      ['resolve', '--status', '201'],
    ]) {
      const { code, stdout, stderr } = await keys(...verb, ...naming(open))
      assert.deepEqual([code, stdout], [1, ''])
      assert.match(stderr, /^oncekey keys: a request with this key is in flight: [^\n]+\n$/)
    }
    assert.equal(await store.complete(open, mine, RESPONSE), true)
    const done = await keys('release', '--yes', ...naming(open))
    assert.deepEqual([done.code, done.stdout], [1, ''])
    assert.match(done.stderr, /this key is completed/)
    for (const verb of [['show'], ['release', '--yes'], ['resolve', '--status', '201']]) {
      const { code, stderr } = await keys(...verb, ...naming({ ...open, key: 'none' }))
      assert.equal(code, 1)
      assert.match(stderr, /^oncekey keys: there is no record of this key: [^\n]+\n$/)
    }
    const shown = await keys('show', ...naming(open))
    assert.doesNotMatch(shown.stdout, /secret/, 'bodies are not shown')
    assert.equal((await json('log', '--client', 'refuser')).length, 0)
  })
}

test('a body comes from standard input, and a response may have none', async (t) => {
  const { url, database } = await migratedDatabase(t)
  const store = postgresStore(database, TTL)
  for (const [key, args, input, response] of [
    ['text', ['--body', '-', '--content-type', 'text/plain'], 'done', { 'Content-Type': 'text/plain' }],
    ['empty', [], '', {}],
  ] as const) {
    const id = { client: 'acme', scope: 'POST /charge', key }
    await sent(store, id, 'connection_lost')
    const program = fileURLToPath(new URL('../../src/oncekey.js', import.meta.url))
    const verb = ['keys', 'resolve', '--client', 'acme', '--scope', 'POST /charge', '--key', key]
    const { PATH = '', HOME = '' } = process.env
    const child = spawn(process.execPath, [program, ...verb, '--status', '202', ...args], {
      env: { PATH, HOME, DATABASE_URL: url },
      stdio: ['pipe', 'ignore', 'inherit'],
    })
    child.stdin.end(input)
    const [code] = await once(child, 'close')
    assert.equal(code, 0)
    assert.deepEqual(await store.claim(id, FINGERPRINT, token(), 1_000), {
      outcome: 'replay',
      response: { status: 202, headers: response, body: Buffer.from(input) },
    })
  }
})

test('a key without a record whose order or payment is there is not called unused', async () => {
  const { url, drop } = await createDatabase()
  const settings = { DATABASE_URL: url, SIMULATED_FAILURE_RATE: '0' }
  const service = await startService(settings)
  const send = async (path: string, key: string, body: object, headers: Record<string, string>) => {
    const response = await fetch(new URL(path, service.url), {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'Idempotency-Key': key, ...headers },
      body: JSON.stringify(body),
    })
    assert.ok(response.ok, await response.clone().text())
    return String(response.headers.get('Location')).split('/').at(-1)
  }
  const order = { user_id: 'user-1', item: 'book', amount: 500 }
  const signature = createHmac('sha256', 'super-secret-key').update(JSON.stringify(order)).digest('hex')
  const orderId = await send('/orders', 'key-001', order, { 'X-Signature': signature })
  const payment = { amount: '19.90', currency: 'EUR', payment_method: 'tok_visa_4242' }
  const paymentKey = 'payment-2026-0000'
  await send('/api/v1/payments', paymentKey, payment, { Authorization: 'Bearer test-api-key' })
  await service.stop()
  const database = openDatabase(url)
  await database.run((sql) => sql`DELETE FROM idempotency_keys`)
  await database.close()
  for (const verb of [['show'], ['release', '--yes'], ['resolve', '--status', '201']]) {
    const named = ['--client', 'default', '--scope', 'POST /orders', '--key', 'key-001']
    const { code, stderr } = await oncekey(['keys', ...verb, ...named], settings)
    assert.equal(code, 1)
    assert.match(
      stderr,
      new RegExp(`no record of its own, but the order ${orderId} of 20[^\\n]+Z has it: every retry`),
    )
  }
  const named = ['--client', 'test-user', '--scope', 'POST /api/v1/payments', '--key', paymentKey]
  const { stderr } = await oncekey(['keys', 'show', ...named], settings)
  assert.match(stderr, /but the payment \S{36} of 20\S+Z has it/)
  await drop()
})

test('a Redis that is away is told in one line, without its password', async () => {
  const gone = { REDIS_URL: `redis://:hunter2@127.0.0.1:${await freePort()}` }
  const { code, stdout, stderr } = await oncekey(['keys', 'list'], gone)
  assert.deepEqual([code, stdout], [1, ''])
  assert.match(stderr, /^oncekey keys: the Redis of REDIS_URL cannot be used: [^\n]+\n$/)
  assert.doesNotMatch(stderr, /hunter2/)
})

test('the embedded database is read while no service runs on it, and says why not while one does', async () => {
  const data = mkdtempSync(join(tmpdir(), 'oncekey-keys-data-'))
  const service = await startService({ DATA_DIR: data })
  const locked = await oncekey(['keys', 'list'], { DATA_DIR: data })
  assert.equal(locked.code, 1)
  assert.match(
    locked.stderr,
    /^oncekey keys: the data directory .* is in use by process \d+.*: stop that process/,
  )
  assert.doesNotMatch(locked.stderr, /CLIENTS_FILE/)
  await service.stop()
  const { code, stdout, stderr } = await oncekey(['keys', 'list'], { DATA_DIR: data })
  assert.deepEqual([code, stdout], [0, 'no keys\n'], stderr)
  rmSync(data, { recursive: true, force: true })
})
