import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Database, openDatabase } from '../../internal/database/database.ts'
import { listen } from '../../internal/database/listen.ts'
import { migrate } from '../../internal/database/migrate.ts'
import type { ClientChange } from '../../internal/signature/client-changes.ts'
import { toSecret } from '../../internal/signature/client-registry.ts'
import { CLIENTS_CHANNEL, revokeClient } from '../../internal/signature/client-table.ts'
import { resealSecrets } from '../../internal/signature/reseal.ts'
import { openTableRegistry, type TableRegistryOptions } from '../../internal/signature/table-registry.ts'
import { SQL_DIRECTORY } from '../../src/package-root.ts'
import { add, changeNote, newKey, rotate } from '../support/clients.ts'
import { openMigrated } from '../support/migrated-database.ts'
import { startPostgres } from '../support/servers.ts'

const HOUR_MS = 3_600_000
/** A poll interval that never ends within a test. */
const NEVER_MS = 2 ** 30
const { key } = newKey()

const { database, url, close } = await openMigrated('server')
after(close)

async function open(t: TestContext, options: Partial<TableRegistryOptions> = {}) {
  const troubles: string[] = []
  const changes: ClientChange[] = []
  const registry = await openTableRegistry({
    database,
    keyring: [key],
    now: () => performance.now(),
    pollMs: NEVER_MS,
    onChange: (list) => changes.push(...list),
    onTrouble: (error) => troubles.push(error.message),
    ...options,
  })
  t.after(() => registry.close())
  /** The secrets in force, as text. */
  const secretsOf = (client: string) =>
    registry.find(client)?.secrets.map((one) => one.key.export().toString()) ?? []
  return { registry, troubles, changes, secretsOf }
}

const listening = (wake: () => void) => listen(url, CLIENTS_CHANNEL, wake)

async function elapsedUntil(what: () => boolean, patienceMs = 30_000): Promise<number> {
  const startedMs = performance.now()
  while (!what()) {
    assert.ok(performance.now() - startedMs < patienceMs, `not within ${patienceMs} ms: ${what}`)
    await sleep(2)
  }
  return performance.now() - startedMs
}

const terminateListeners = () =>
  database.run(
    (sql) => sql`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND query ILIKE 'listen%'`,
  )

test('an empty table needs no seal key; a table with secrets needs theirs, and the error names it', async (t) => {
  const empty = await openMigrated('server')
  t.after(() => empty.close())
  const { registry } = await open(t, { database: empty.database, keyring: [] })
  assert.deepEqual(registry.ids(), [])
  await add(empty.database, 'acme', key)
  const other = newKey().key
  await assert.rejects(
    open(t, { database: empty.database, keyring: [] }),
    new RegExp(`SECRETS_KEY is not set: the database holds 1 secrets of clients, sealed under key ${key.id}`),
  )
  await assert.rejects(
    open(t, { database: empty.database, keyring: [other] }),
    new RegExp(`SECRETS_KEY is not the key of 1 secrets .* it is key ${other.id}; .* under key ${key.id}$`),
  )
  const both = await open(t, { database: empty.database, keyring: [other, key] })
  assert.deepEqual(both.registry.ids(), ['acme'])
})

test('a change by another process arrives by notification, and is reported with ids and without secrets', async (t) => {
  const { registry, changes, secretsOf } = await open(t, { listen: listening })
  await registry.catchUp()
  const made = await add(database, 'told', key)
  await elapsedUntil(() => registry.find('told') !== undefined)
  assert.deepEqual(secretsOf('told'), [made.secret])
  const next = await rotate(database, 'told', key, HOUR_MS)
  await elapsedUntil(() => secretsOf('told').length === 2)
  await revokeClient(database, 'told', made.secretId, changeNote())
  await elapsedUntil(() => secretsOf('told').length === 1)
  assert.deepEqual(secretsOf('told'), [next.secret])
  await revokeClient(database, 'told', undefined, changeNote())
  await elapsedUntil(() => registry.find('told') === undefined)
  const none = {
    client: 'told',
    min_scheme: null,
    limits: null,
    secrets_added: [],
    secrets_retiring: [],
    secrets_gone: [],
  }
  assert.deepEqual(changes, [
    { ...none, change: 'added', secrets_added: [made.secretId] },
    { ...none, change: 'changed', secrets_added: [next.secretId], secrets_retiring: [made.secretId] },
    { ...none, change: 'changed', secrets_gone: [made.secretId] },
    { ...none, change: 'revoked', secrets_gone: [next.secretId] },
  ])
})

test('without notifications, polling finds changes', async (t) => {
  const { registry } = await open(t, { pollMs: 20 })
  await add(database, 'polled', key)
  await elapsedUntil(() => registry.find('polled') !== undefined)
})

test('listening starts again after its connection ended, and missed changes are seen', async (t) => {
  const { registry } = await open(t, { listen: listening })
  await registry.catchUp()
  for (const client of ['missed-1', 'missed-2', 'missed-3']) {
    await terminateListeners()
    await add(database, client, key)
    await elapsedUntil(() => registry.find(client) !== undefined)
  }
})

test('catchUp sees everything committed before the call, and returns whether anything changed', async (t) => {
  const { registry } = await open(t)
  assert.equal(await registry.catchUp(), false)
  await add(database, 'caught', key)
  assert.equal(registry.find('caught'), undefined)
  const responses = await Promise.all(Array.from({ length: 200 }, () => registry.catchUp()))
  assert.deepEqual(new Set(responses), new Set([true]))
  assert.ok(registry.find('caught'))
  assert.equal(await registry.catchUp(), false)
})

test('any number of signatures that match no secret costs the database at most 50 queries a second', async (t) => {
  let asked = 0
  const counting: Database = {
    ...database,
    run: (statement, deadlineMs) => {
      asked++
      return database.run(statement, deadlineMs)
    },
  }
  const { registry } = await open(t, { database: counting })
  const startedMs = performance.now()
  const waits: number[] = []
  while (performance.now() - startedMs < 500) {
    const fromMs = performance.now()
    void registry.catchUp().then(() => waits.push(performance.now() - fromMs))
    await sleep(1)
  }
  await elapsedUntil(() => waits.length > 0)
  assert.ok(asked <= 28, `${asked} queries in half a second`)
  assert.ok(Math.max(...waits) < 500, `a refusal waited ${Math.max(...waits)} ms`)
  t.diagnostic(`${asked} queries, the longest wait ${Math.round(Math.max(...waits))} ms`)
})

test('a retiring secret ends by the clock of the database, independent of our clock', async (t) => {
  let ours = 5
  const { registry, secretsOf } = await open(t, { now: () => ours })
  const old = await add(database, 'ending', key)
  const made = await rotate(database, 'ending', key, HOUR_MS)
  await registry.catchUp()
  assert.deepEqual(secretsOf('ending').sort(), [old.secret, made.secret].sort())
  ours += HOUR_MS - 60_000
  assert.equal(secretsOf('ending').length, 2)
  ours += 60_001
  assert.deepEqual(secretsOf('ending'), [made.secret])
  // A refresh reads the time of the database again: our clock had run fast.
  await registry.catchUp()
  assert.equal(secretsOf('ending').length, 2)
  await revokeClient(database, 'ending', made.secretId, changeNote())
  await registry.catchUp()
  ours += HOUR_MS + 1
  assert.equal(registry.find('ending'), undefined)
})

test('a secret copied into another row is not in force, and the others are', async (t) => {
  await add(database, 'victim', key)
  const intruder = await add(database, 'intruder', key)
  await add(database, 'bystander', key)
  await database.run(
    (sql) => sql`
      UPDATE client_secrets SET sealed = (SELECT sealed FROM client_secrets WHERE client = 'intruder')
      WHERE client = 'victim'`,
  )
  const { registry, troubles } = await open(t)
  assert.equal(registry.find('victim'), undefined)
  assert.ok(registry.find('intruder')?.secrets[0]?.key.equals(toSecret(intruder.secret)))
  assert.ok(registry.find('bystander'))
  assert.match(troubles.join('\n'), /^secret [0-9a-f]{12} of client victim cannot be opened/)
  await database.run((sql) => sql`DELETE FROM client_secrets WHERE client = 'victim'`)
})

test('a node without the new SECRETS_KEY keeps the secrets that it has opened, and reports it', async (t) => {
  const own = await openMigrated('server')
  t.after(() => own.close())
  const next = newKey().key
  const made = await add(own.database, 'kept', key)
  const { registry, troubles, changes, secretsOf } = await open(t, { database: own.database })
  const nonce = () => Buffer.from(crypto.getRandomValues(new Uint8Array(12)))
  await resealSecrets(own.database, [next, key], nonce, changeNote())
  await add(own.database, 'unreadable', next)
  await registry.catchUp()
  assert.deepEqual(secretsOf('kept'), [made.secret])
  assert.equal(registry.find('unreadable'), undefined)
  assert.match(troubles.join(), /SECRETS_KEY is not the key of 2 secrets/)
  assert.deepEqual(changes, [])
})

test('while the database is unreachable the clients stay, and refusals do not wait for it', async (t) => {
  const server = await startPostgres()
  const away = openDatabase(server.url, { deadlineMs: 500 })
  t.after(async () => {
    await away.close()
    await server.stop()
  })
  await migrate(away, SQL_DIRECTORY)
  await add(away, 'staying', key)
  let laterMs = 0
  const { registry, troubles } = await open(t, {
    database: away,
    now: () => performance.now() + laterMs,
    listen: (wake) => listen(server.url, CLIENTS_CHANNEL, wake),
  })
  await registry.catchUp()
  await server.stop()
  assert.equal(await registry.catchUp(), false)
  const fromMs = performance.now()
  for (let i = 0; i < 100; i++) assert.equal(await registry.catchUp(), false)
  assert.ok(performance.now() - fromMs < 100, `${performance.now() - fromMs} ms`)
  assert.ok(registry.find('staying'))
  laterMs = 60_000
  assert.equal(await registry.catchUp(), false)
  assert.equal(troubles.length, 1, `told once: ${troubles.join(', ')}`)
  laterMs = 120_000
  await server.restart()
  const tellMs = performance.now()
  for (;;) {
    const added = await add(away, `back-${Math.random()}`.slice(0, 12), key).catch(() => undefined)
    if (added !== undefined) {
      await elapsedUntil(() => registry.find(added.stored.client) !== undefined)
      break
    }
    await sleep(50)
  }
  t.diagnostic(`listening again ${Math.round(performance.now() - tellMs)} ms after the restart`)
})
