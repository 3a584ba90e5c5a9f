import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { auditLog } from '../../internal/audit/audit-log.ts'
import { chainEnds } from '../../internal/audit/read-chains.ts'
import { ServiceError } from '../../internal/core/service-error.ts'
import { type Database, openDatabase } from '../../internal/database/database.ts'
import { deploymentId } from '../../internal/database/deployment.ts'
import { pendingMigrations } from '../../internal/database/migrate.ts'
import { codeOf } from '../../internal/database/outage.ts'
import { partitionByClient } from '../../internal/database/partition.ts'
import { rehearseDatabase } from '../../internal/database/rehearse.ts'
import { missingRights, SERVICE_RIGHTS } from '../../internal/database/service-rights.ts'
import { fanOut, sweepDeliveries, takeDeliveries } from '../../internal/events/delivery-table.ts'
import {
  addEndpoint,
  listEndpoints,
  removeEndpoint,
  resealEndpoints,
  rotateEndpoint,
} from '../../internal/events/endpoints.ts'
import { readEvents, resumeEvents } from '../../internal/events/event-log.ts'
import { postgresRecords } from '../../internal/idempotency/postgres-records.ts'
import { sweepExpired } from '../../internal/idempotency/sweeper.ts'
import { orderStore } from '../../internal/orders/order-store.ts'
import { paymentStore } from '../../internal/payments/payment-store.ts'
import { takeDue } from '../../internal/payments/read-payments.ts'
import { readClients, revokeClient } from '../../internal/signature/client-table.ts'
import { listClients } from '../../internal/signature/list-clients.ts'
import { SQL_DIRECTORY } from '../../src/package-root.ts'
import { webhookSealing } from '../../src/service/webhook-sealing.ts'
import { idempotencyStoreContract } from '../contract/idempotency-store.ts'
import { DAY_MS, onPostgres, ordersOnPostgres } from '../contract/on-postgres.ts'
import { orderStoreContract, placement } from '../contract/order-store.ts'
import { beginning, paymentStoreContract, ref, SETTLE_MS, settlement } from '../contract/payment-store.ts'
import { paymentsIn } from '../contract/payments-in.ts'
import { add, changeNote, newKey, rotate } from '../support/clients.ts'
import { documentedRights } from '../support/engines-document.ts'
import { oncekey } from '../support/run-command.ts'
import { besideInitdb, startPostgres, temporaryDirectory } from '../support/servers.ts'
import { startService } from '../support/service.ts'
import { until } from '../support/until.ts'
import { lines } from '../support/workers.ts'

const server = await startPostgres(['fsync = on'])
after(() => server.stop())
const documented = documentedRights()

/** Runs the statements of the document. */
function psql(url: string, statements: string): void {
  const file = join(temporaryDirectory(), 'statements.sql')
  writeFileSync(file, statements)
  execFileSync(besideInitdb('psql'), ['-v', 'ON_ERROR_STOP=1', '-q', '-f', file, url], { stdio: 'pipe' })
}

function as(username: string): string {
  return Object.assign(new URL(server.url), { username, pathname: '/orders' }).href
}

psql(server.url, documented.superuser)
const migrated = await oncekey(['migrate'], { DATABASE_URL: as('oncekey_owner') })
assert.equal(migrated.code, 0, migrated.stderr)
psql(as('oncekey_owner'), documented.owner)
const url = as('oncekey_service')

idempotencyStoreContract('keys with the rights of docs/engines.md', async () => {
  const database = openDatabase(url)
  return await onPostgres(database, () => database.close())
})

orderStoreContract('orders with the rights of docs/engines.md', async () => {
  const database = openDatabase(url)
  return await ordersOnPostgres(database, () => database.close())
})

paymentStoreContract('payments with the rights of docs/engines.md', async () => {
  const database = openDatabase(url)
  return paymentsIn(database, () => database.close())
})

test('the document grants exactly SERVICE_RIGHTS', () => {
  const granted = [...documented.owner.matchAll(/^GRANT (.*) ON (.*) TO oncekey_service;$/gm)]
  assert.deepEqual(
    granted.map(([, rights = '', relations = '']) => ({
      rights: rights.split(', '),
      relations: relations.split(', '),
    })),
    SERVICE_RIGHTS,
  )
  assert.equal(documented.owner.trim().split('\n').length, granted.length)
})

const KEY = newKey()
const SEALING = webhookSealing({
  production: true,
  host: '0.0.0.0',
  secretsKey: KEY.key,
  secretsKeyOld: undefined,
})
const FINGERPRINT = 'a'.repeat(64)

/** Every action of the service and its commands on the database, each as one step. */
function everything(database: Database): Record<string, () => Promise<unknown>> {
  const orders = orderStore(database, { recordsOf: 'POST /orders' })
  const payments = paymentStore(database, { settleMs: SETTLE_MS })
  const records = postgresRecords(database, { ttlMs: DAY_MS })
  const client = `client-${randomBytes(6).toString('hex')}`
  const paid = beginning({ client })
  const all = async (rows: AsyncIterable<unknown>) => {
    for await (const _ of rows);
  }
  return {
    pending: () => pendingMigrations(database, SQL_DIRECTORY),
    deployment: () => deploymentId(database),
    rehearse: () => rehearseDatabase(database, 'orders'),
    place: () => orders.place({ ...placement(), client }),
    standing: () => orders.standing({ client, key: 'none', fingerprint: FINGERPRINT }),
    sweep: () => sweepExpired(database),
    listKeys: () => all(records.list({})),
    logOfKeys: () => all(records.log(client)),
    beginPayment: () => payments.begin(paid),
    settlePayment: async () => {
      const settled = beginning({ client })
      await payments.begin(settled)
      await payments.settle(ref(settled), settlement())
    },
    readEvents: () => readEvents(database, client, { after: undefined, type: undefined, limit: 1 }),
    resumeEvents: () => resumeEvents(database),
    webhooks: async () => {
      const made = await addEndpoint(
        database,
        SEALING,
        { client, url: 'https://partner.example/', types: undefined },
        Date.now(),
      )
      assert.ok(made.outcome === 'added')
      const { id } = made.endpoint
      await rotateEndpoint(database, SEALING, { client, id, overlapMs: 0 })
      await orders.place({ ...placement(), client })
      await until('a delivery is taken', async () => {
        await fanOut(database)
        return (await takeDeliveries(database, { busy: [], limit: 1, leaseMs: 1 })).length > 0
      })
      await sweepDeliveries(database, 0, 1)
      await removeEndpoint(database, client, id)
    },
    listEndpoints: () => listEndpoints(database),
    sweepDeliveries: () => sweepDeliveries(database, 0, 1),
    resealEndpoints: () => resealEndpoints(database, SEALING),
    removeEndpoint: () => removeEndpoint(database, client, randomUUID()),
    takeDue: () => takeDue(database, { limit: 1, leaseMs: 1_000, expiryMs: 1_000 }),
    abandonPayment: () => payments.abandon(ref(paid), 'nothing was sent'),
    audit: () => auditLog(database).append({ client, eventType: 'payment.replayed', entry: '{}' }),
    verify: () => all(chainEnds(database)),
    node: () =>
      database.run(
        (sql) => sql`
          INSERT INTO nodes (id, seen_at, report) VALUES ('a', now(), '{}')
          ON CONFLICT (id) DO UPDATE SET report = excluded.report`,
      ),
    nodeLeaves: () => database.run((sql) => sql`DELETE FROM nodes WHERE id = 'a'`),
    addClient: () => add(database, client, KEY.key),
    rotateClient: () => rotate(database, client, KEY.key, 1_000),
    revokeClient: () => revokeClient(database, client, undefined, changeNote()),
    readClients: () => readClients(database, ''),
    listClients: () => listClients(database),
  }
}

/** The names of the steps that fail because of a missing right; rejects for any other error. */
async function refused(database: Database): Promise<string[]> {
  const names: string[] = []
  for (const [name, run] of Object.entries(everything(database))) {
    try {
      await run()
    } catch (error) {
      const isRefused = error instanceof ServiceError && codeOf(error.cause) === '42501'
      // Steps after a refused step may need its result.
      if (!isRefused && names.length === 0) throw error
      if (isRefused) names.push(name)
    }
  }
  return names
}

test('without any one of these rights a step is refused, and the missing GRANT is named', async (t) => {
  const owner = openDatabase(as('oncekey_owner'))
  const database = openDatabase(url)
  t.after(() => Promise.all([owner.close(), database.close()]))
  assert.deepEqual(await refused(database), [])
  assert.deepEqual(await missingRights(database), [])
  for (const { rights, relations } of SERVICE_RIGHTS) {
    for (const right of rights) {
      for (const relation of relations) {
        await owner.run((sql) => sql.unsafe(`REVOKE ${right} ON ${relation} FROM oncekey_service`))
        assert.notDeepEqual(await refused(database), [], `${right} on ${relation} is not needed`)
        const grants = await missingRights(database)
        assert.deepEqual(grants, [`GRANT ${right} ON ${relation} TO oncekey_service`])
        await owner.run((sql) => sql.unsafe(grants.join(';')))
      }
    }
  }
})

test('doctor names the missing GRANTs, and the service warns of them', async (t) => {
  const owner = openDatabase(as('oncekey_owner'))
  await owner.run((sql) => sql.unsafe('REVOKE ALL ON payments, nodes FROM oncekey_service'))
  const settings = { DATABASE_URL: url, SECRETS_KEY: KEY.text }
  const service = await startService(settings)
  t.after(async () => {
    await service.kill()
    await owner.run((sql) => sql.unsafe(documented.owner))
    await owner.close()
  })
  const statements = [
    'GRANT SELECT, INSERT, UPDATE, DELETE ON payments TO oncekey_service',
    'GRANT SELECT, INSERT, UPDATE, DELETE ON nodes TO oncekey_service',
  ]
  const { code, stdout } = await oncekey(['doctor'], settings)
  assert.equal(code, 1)
  assert.deepEqual(
    stdout.split('\n').filter((line) => line.startsWith('FAULT')),
    [`FAULT rights: the role lacks some: run, as the owner, ${statements.join('; ')}`],
  )
  await until('the service warns', () =>
    lines(service).some(({ missing }) => JSON.stringify(missing) === JSON.stringify(statements)),
  )
})

test('doctor names the tables whose rows row level security hides, and the service warns of them', async (t) => {
  const owner = openDatabase(as('oncekey_owner'))
  const run = (statements: string) => owner.run((sql) => sql.unsafe(statements))
  const tables = SERVICE_RIGHTS.flatMap(({ relations }) => relations).filter(
    (name) => name !== 'oncekey_keys',
  )
  const switchTo = (state: 'ENABLE' | 'DISABLE') =>
    run(tables.map((name) => `ALTER TABLE ${name} ${state} ROW LEVEL SECURITY`).join(';'))
  const database = openDatabase(url)
  t.after(async () => {
    await switchTo('DISABLE')
    await Promise.all([owner.close(), database.close()])
  })
  for (const name of tables) {
    await run(`ALTER TABLE ${name} ENABLE ROW LEVEL SECURITY`)
    const missing = await missingRights(database)
    assert.deepEqual(missing, [`ALTER TABLE ${name} DISABLE ROW LEVEL SECURITY`])
    await run(`CREATE POLICY own ON ${name} TO oncekey_service USING (true)`)
    assert.deepEqual(await missingRights(database), [], 'a policy that lets everything through is none')
    await run(`CREATE POLICY less ON ${name} AS RESTRICTIVE TO oncekey_service USING (false)`)
    assert.deepEqual(await missingRights(database), missing)
    await run(
      `DROP POLICY less ON ${name}; DROP POLICY own ON ${name}; CREATE POLICY own ON ${name} FOR INSERT WITH CHECK (true)`,
    )
    assert.deepEqual(await missingRights(database), missing)
    await run(`DROP POLICY own ON ${name}; CREATE POLICY own ON ${name} TO oncekey_owner USING (true)`)
    assert.deepEqual(await missingRights(database), missing, 'that of another role')
    await run(`DROP POLICY own ON ${name}`)
    assert.deepEqual(await missingRights(database), missing)
    await run(missing.join(';'))
  }
  // Without their rows the service would know no clients.
  await run('ALTER TABLE clients ENABLE ROW LEVEL SECURITY')
  const statements = ['ALTER TABLE clients DISABLE ROW LEVEL SECURITY']
  const settings = { DATABASE_URL: url, SECRETS_KEY: KEY.text }
  const { code, stdout } = await oncekey(['doctor'], settings)
  assert.equal(code, 1)
  assert.deepEqual(
    stdout.split('\n').filter((line) => line.startsWith('FAULT')),
    [`FAULT rights: the role lacks some: run, as the owner, ${statements.join('; ')}`],
  )
  const service = await startService(settings)
  t.after(() => service.kill())
  await until('the service warns', () =>
    lines(service).some(({ missing }) => JSON.stringify(missing) === JSON.stringify(statements)),
  )
})

test('a partitioned database keeps the rights', async (t) => {
  const owner = openDatabase(as('oncekey_owner'))
  const database = openDatabase(url)
  t.after(() => Promise.all([owner.close(), database.close()]))
  await partitionByClient(owner, SQL_DIRECTORY, 2)
  assert.deepEqual(await missingRights(database), [])
  assert.deepEqual(await refused(database), [])
})
