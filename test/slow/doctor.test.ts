import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Redis } from 'ioredis'
import postgres from 'postgres'
import { openDatabase } from '../../internal/database/database.ts'
import { migrate } from '../../internal/database/migrate.ts'
import { SQL_DIRECTORY } from '../../src/package-root.ts'
import { add, newKey } from '../support/clients.ts'
import { oncekey } from '../support/run-command.ts'
import {
  createDatabase,
  freePort,
  startPostgres,
  startRedis,
  type TestDatabase,
  type ThrowawayServer,
} from '../support/servers.ts'
import type { Settings } from '../support/service.ts'

const KEY = newKey()
let server: ThrowawayServer
let created: TestDatabase
before(async () => {
  // As in production: the shared server of the tests goes without.
  server = await startPostgres(['fsync = on'])
  created = await createDatabase(server.url)
  const database = openDatabase(created.url)
  await migrate(database, SQL_DIRECTORY)
  await add(database, 'acme', KEY.key)
  await database.close()
})
after(() => server.stop())

/** The lines of the doctor; nothing may be on standard error, and each line must have its form. */
async function doctor(settings: Settings): Promise<{ code: number; lines: string[] }> {
  const { code, stdout, stderr } = await oncekey(['doctor'], settings)
  assert.equal(stderr, '')
  const lines = stdout.trimEnd().split('\n')
  for (const line of lines) assert.match(line, /^(ok {4}|FAULT )[a-z -]+: \S.*$/)
  assert.equal(code, lines.some((line) => line.startsWith('FAULT')) ? 1 : 0)
  return { code, lines }
}

const faultsOf = ({ lines }: { lines: string[] }) => lines.filter((line) => line.startsWith('FAULT'))

async function setPolicy(url: string, policy: string): Promise<void> {
  const redis = new Redis(url)
  await redis.config('SET', 'maxmemory-policy', policy)
  redis.disconnect()
}

test('a healthy installation is told line by line, with exit code 0', async (t) => {
  const redis = await startRedis()
  t.after(() => redis.stop())
  const API_KEYS = 'ann:key-of-ann-1,ann:key-of-ann-2,bob:key-of-bob-1'
  const settings = { DATABASE_URL: created.url, SECRETS_KEY: KEY.text, REDIS_URL: redis.url, API_KEYS }
  const { code, lines } = await doctor(settings)
  assert.equal(code, 0, lines.join('\n'))
  const expected = [
    /^ok {4}settings: valid$/,
    /^ok {4}api keys: 3 set, of 2 users$/,
    /^ok {4}payment gateway: simulated \(demo mode\): NOTHING IS CHARGED$/,
    /^ok {4}database: PostgreSQL \d+/,
    /^ok {4}database clock: -?\d+ ms from ours$/,
    /^ok {4}migrations: all applied$/,
    /^ok {4}rights: the role has those that the service needs$/,
    /^ok {4}orders: can be placed$/,
    /^ok {4}clients: 1 in the database, their secrets open$/,
    /^ok {4}redis: Redis \d+\.\d+\.\d+$/,
    /^ok {4}redis clock: -?\d+ ms from ours$/,
    /^ok {4}redis maxmemory-policy: noeviction$/,
    /^ok {4}redis scripts: those of an order run$/,
  ]
  assert.equal(lines.length, expected.length, lines.join('\n'))
  expected.forEach((line, i) => {
    assert.match(lines[i] ?? '', line)
  })
})

test('without servers there is little to check, and it is said', async () => {
  const { code, lines } = await doctor({})
  assert.equal(code, 0)
  assert.match(
    lines.join('\n'),
    /database: embedded, under .oncekey; opened by serve\nok {4}redis: not used$/,
  )
})

test('settings that are not valid are a line each', async () => {
  const { lines } = await doctor({ PORT: 'http', SECRETS_KEY: 'hunter2' })
  assert.equal(lines.length, 2)
  assert.match(lines.join('\n'), /^FAULT settings: PORT=http: must be/m)
  assert.match(lines.join('\n'), /^FAULT settings: SECRETS_KEY must be 32 bytes in base64/m)
  assert.doesNotMatch(lines.join('\n'), /hunter2/)
})

test('an unknown option is told in one line', async () => {
  const { code, stderr } = await oncekey(['doctor', '--all'])
  assert.equal(code, 1)
  assert.match(stderr, /^oncekey doctor: Unknown option '--all'[^\n]*\n$/)
})

test('a database that is gone, and one that is not there, are each one fault', async () => {
  const gone = await doctor({ DATABASE_URL: `postgres://u:hunter2@127.0.0.1:${await freePort()}/x` })
  assert.equal(faultsOf(gone).length, 1)
  assert.match(
    gone.lines.join('\n'),
    /^FAULT database: DATABASE_URL: connect ECONNREFUSED 127\.0\.0\.1:\d+$/m,
  )
  assert.doesNotMatch(gone.lines.join('\n'), /hunter2/)
  const missing = await doctor({ DATABASE_URL: created.url.replace(/\/\w+$/, '/not_there') })
  assert.match(
    faultsOf(missing).join('\n'),
    /^FAULT database: DATABASE_URL: database "not_there" does not exist: create the database, or correct its name in DATABASE_URL$/,
  )
})

test('a database that does not respond is told within seconds', async (t) => {
  const server = await startPostgres(['fsync = on'])
  t.after(async () => {
    server.resume()
    await server.stop()
  })
  server.pause()
  const startedMs = performance.now()
  const hanging = await doctor({ DATABASE_URL: server.url })
  assert.equal(faultsOf(hanging).length, 1)
  assert.match(faultsOf(hanging).join(), /FAULT database: DATABASE_URL: \S/)
  assert.ok(performance.now() - startedMs < 10_000)
})

test('a wrong password is told without showing it', async (t) => {
  const server = await startPostgres(['fsync = on'])
  t.after(() => server.stop())
  const sql = postgres(server.url, { max: 1 })
  await sql.unsafe(`SET password_encryption = 'scram-sha-256'; CREATE ROLE partner LOGIN PASSWORD 'right'`)
  const [row] = await sql`SHOW hba_file`
  writeFileSync(String(row?.hba_file), 'host all all 127.0.0.1/32 scram-sha-256\n')
  await sql`SELECT pg_reload_conf()`
  await sql.end()
  const url = server.url.replace('postgres@', 'partner:hunter2@')
  let response = await doctor({ DATABASE_URL: url })
  // The server takes its new rules over in its own time.
  if (faultsOf(response).length === 0) response = await doctor({ DATABASE_URL: url })
  assert.deepEqual(faultsOf(response), [
    'FAULT database: DATABASE_URL: password authentication failed for user "partner": correct the password in DATABASE_URL',
  ])
})

test('migrations that are not applied are named', async () => {
  const empty = await createDatabase(server.url)
  const fresh = await doctor({ DATABASE_URL: empty.url })
  assert.match(
    faultsOf(fresh).join('\n'),
    /^FAULT migrations: 001_deployment.sql, .*004_clients.sql, .*, functions not applied: run oncekey migrate$/,
  )
  await empty.drop()
})

test('secrets that SECRETS_KEY cannot open, or that were tampered with, are named by key and client', async () => {
  const other = newKey()
  const none = await doctor({ DATABASE_URL: created.url })
  assert.deepEqual(faultsOf(none), [
    `FAULT clients: SECRETS_KEY is not set: the database holds 1 secrets of clients, sealed under key ${KEY.key.id}`,
  ])
  const wrong = await doctor({ DATABASE_URL: created.url, SECRETS_KEY: other.text })
  assert.match(
    faultsOf(wrong).join('\n'),
    new RegExp(
      `^FAULT clients: SECRETS_KEY is not the key of 1 .* key ${other.key.id}; .* under key ${KEY.key.id}$`,
    ),
  )
  const both = { DATABASE_URL: created.url, SECRETS_KEY: other.text, SECRETS_KEY_OLD: KEY.text }
  assert.equal((await doctor(both)).code, 0)

  const own = await createDatabase(server.url)
  const database = openDatabase(own.url)
  await migrate(database, SQL_DIRECTORY)
  await add(database, 'zeta', KEY.key)
  await database.run((sql) => sql`UPDATE client_secrets SET sealed = sealed || '\\x00'::bytea`)
  await database.close()
  const changed = await doctor({ DATABASE_URL: own.url, SECRETS_KEY: KEY.text })
  assert.match(
    faultsOf(changed).join('\n'),
    /^FAULT clients: secret \w+ of client zeta cannot be opened: its row/,
  )
  await own.drop()
})

test('a client of the settings that is in the database too, and a bad CLIENTS_FILE, are faults', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'oncekey-doctor-'))
  const file = join(directory, 'clients.json')
  writeFileSync(file, JSON.stringify({ acme: { secrets: ['x'] } }))
  const settings = { DATABASE_URL: created.url, SECRETS_KEY: KEY.text, CLIENTS_FILE: file }
  const twice = await doctor(settings)
  assert.deepEqual(faultsOf(twice), [
    'FAULT clients: acme: in the database and in HMAC_SECRET or CLIENTS_FILE',
  ])
  writeFileSync(file, '{')
  const bad = await doctor(settings)
  assert.deepEqual(faultsOf(bad), [`FAULT clients file: CLIENTS_FILE=${file}: the file must be valid JSON`])
  rmSync(directory, { recursive: true })
})

test('Redis that is gone is a fault; one that may evict keys too, whatever the policy', async () => {
  const gone = await doctor({ REDIS_URL: `redis://:hunter2@127.0.0.1:${await freePort()}` })
  assert.match(faultsOf(gone).join('\n'), /^FAULT redis: REDIS_URL: .*ECONNREFUSED/)
  assert.doesNotMatch(gone.lines.join('\n'), /hunter2/)
  const redis = await startRedis()
  for (const policy of ['volatile-lru', 'allkeys-lru']) {
    await setPolicy(redis.url, policy)
    const evicting = await doctor({ REDIS_URL: redis.url })
    assert.deepEqual(faultsOf(evicting), [`FAULT redis maxmemory-policy: ${policy}, must be noeviction`])
  }
  await redis.stop()
})
