import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from '../../internal/database/database.ts'
import { addClient, readClients, revokeClient, rotateClient } from '../../internal/signature/client-table.ts'
import { type ListedClient, listClients } from '../../internal/signature/list-clients.ts'
import { resealSecrets } from '../../internal/signature/reseal.ts'
import { open } from '../../internal/signature/seal.ts'
import { add, changeNote, newKey, newSecret, rotate } from '../support/clients.ts'
import { duringTests } from '../support/during-tests.ts'
import { openMigrated } from '../support/migrated-database.ts'

const HOUR_MS = 3_600_000
const { key } = newKey()

for (const kind of ['server', 'embedded'] as const) {
  describe(kind, () => {
    const opened = duringTests(() => openMigrated(kind))
    suite(() => opened().database)
  })
}

function suite(database: () => Database): void {
  /** The states of a client's secrets, newest first. */
  const states = async (client: string) => {
    const [listed] = await listClients(database(), client)
    return listed?.secrets.map(({ state }) => state)
  }
  const secretOf = async (client: string, secretId: string) => {
    const [listed] = await listClients(database(), client)
    const found: ListedClient['secrets'][number] | undefined = listed?.secrets.find(
      ({ secret_id }) => secret_id === secretId,
    )
    assert.ok(found)
    return found
  }

  test('an added client is read with its secret and scheme, and a second client of that name is refused', async () => {
    const made = newSecret('first', key)
    assert.equal(await addClient(database(), made.stored, 'v1', changeNote()), 'added')
    assert.equal(
      await addClient(database(), made.stored, 'v1', changeNote()),
      'added',
      'its response was lost',
    )
    assert.equal(
      await addClient(database(), newSecret('first', key).stored, undefined, changeNote()),
      'exists',
    )
    const { secrets = [] } = await readClients(database(), '')
    const row = secrets.find(({ client }) => client === 'first')
    assert.ok(row)
    assert.equal(open(row.sealed.bytes, row, key).toString(), made.secret)
    assert.deepEqual(
      [row.secretId, row.minScheme, row.expiresAtMs, row.sealed.keyId],
      [made.secretId, 'v1', undefined, key.id],
    )
  })

  test('a rotation makes the new secret active and gives the old one an end', async () => {
    const old = await add(database(), 'turned', key)
    const made = newSecret('turned', key)
    assert.equal(await rotateClient(database(), made.stored, HOUR_MS, changeNote()), 'rotated')
    assert.equal(
      await rotateClient(database(), made.stored, HOUR_MS, changeNote()),
      'rotated',
      'its response was lost',
    )
    assert.deepEqual(await states('turned'), ['active', 'retiring'])
    const { expires_at } = await secretOf('turned', old.secretId)
    const leftMs = Date.parse(expires_at ?? '') - (await readClients(database(), '')).databaseMs
    assert.ok(leftMs > HOUR_MS - 30_000 && leftMs <= HOUR_MS, `${leftMs} ms`)
    assert.equal(
      await rotateClient(database(), newSecret('nobody', key).stored, HOUR_MS, changeNote()),
      'unknown_client',
    )
  })

  test('at most three secrets are in force, and a refused rotation changes nothing', async () => {
    await add(database(), 'full', key)
    await rotate(database(), 'full', key, HOUR_MS)
    await rotate(database(), 'full', key, 2 * HOUR_MS)
    const before = await listClients(database(), 'full')
    assert.deepEqual(await states('full'), ['active', 'retiring', 'retiring'])
    assert.equal(await rotateClient(database(), newSecret('full', key).stored, HOUR_MS, changeNote()), 'full')
    assert.deepEqual(await listClients(database(), 'full'), before)
    await rotate(database(), 'full', key, 0)
    assert.deepEqual(await states('full'), ['active', 'revoked', 'revoked', 'revoked'])
  })

  test('a later rotation can end an older secret sooner, but never later', async () => {
    const first = await add(database(), 'sooner', key)
    await rotate(database(), 'sooner', key, HOUR_MS)
    const ends = (await secretOf('sooner', first.secretId)).expires_at
    await rotate(database(), 'sooner', key, 5 * HOUR_MS)
    assert.equal((await secretOf('sooner', first.secretId)).expires_at, ends)
    await revokeClient(database(), 'sooner', undefined, changeNote())
    const again = await add(database(), 'sooner-2', key)
    await rotate(database(), 'sooner-2', key, 5 * HOUR_MS)
    const late = Date.parse((await secretOf('sooner-2', again.secretId)).expires_at ?? '')
    await rotate(database(), 'sooner-2', key, HOUR_MS)
    assert.ok(Date.parse((await secretOf('sooner-2', again.secretId)).expires_at ?? '') < late - 3 * HOUR_MS)
  })

  test('a retiring secret that has ended counts as revoked and makes room for another', async () => {
    const first = await add(database(), 'over', key)
    await rotate(database(), 'over', key, 50)
    await rotate(database(), 'over', key, HOUR_MS)
    await sleep(60)
    const over = await secretOf('over', first.secretId)
    assert.deepEqual([over.state, over.revoked_at], ['revoked', over.expires_at])
    await rotate(database(), 'over', key, HOUR_MS)
    assert.deepEqual(await states('over'), ['active', 'retiring', 'retiring', 'revoked'])
    assert.deepEqual(await secretOf('over', first.secretId), over, 'it is shown as before')
  })

  test('concurrent rotations run one after another: at most three secrets, exactly one active', async () => {
    await add(database(), 'busy', key)
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, () =>
        rotateClient(database(), newSecret('busy', key).stored, HOUR_MS, changeNote()),
      ),
    )
    assert.deepEqual(outcomes.sort(), [...Array(6).fill('full'), 'rotated', 'rotated'])
    assert.deepEqual((await states('busy'))?.sort(), ['active', 'retiring', 'retiring'])
  })

  test('a revocation ends and erases one secret or all, and may be repeated', async () => {
    const first = await add(database(), 'ended', key)
    const second = await rotate(database(), 'ended', key, HOUR_MS)
    assert.equal(await revokeClient(database(), 'ended', 'ffffffffffff', changeNote()), 'unknown_secret')
    assert.equal(await revokeClient(database(), 'ended', first.secretId, changeNote()), 'revoked')
    assert.deepEqual(await states('ended'), ['active', 'revoked'])
    const { revoked_at } = await secretOf('ended', first.secretId)
    assert.equal(await revokeClient(database(), 'ended', undefined, changeNote()), 'revoked')
    assert.equal(await revokeClient(database(), 'ended', second.secretId, changeNote()), 'revoked')
    assert.deepEqual(await states('ended'), ['revoked', 'revoked'])
    assert.equal((await secretOf('ended', first.secretId)).revoked_at, revoked_at)
    assert.equal(await revokeClient(database(), 'nobody', undefined, changeNote()), 'unknown_client')
    const rows = await database().run((sql) => sql`SELECT sealed FROM client_secrets WHERE client = 'ended'`)
    assert.deepEqual(
      rows.map(({ sealed }) => sealed),
      [null, null],
    )
    const { secrets = [] } = await readClients(database(), '')
    assert.ok(!secrets.some(({ client }) => client === 'ended'))
    await rotate(database(), 'ended', key, HOUR_MS)
    assert.deepEqual(await states('ended'), ['active', 'revoked', 'revoked'])
  })

  test('the schema refuses a fourth secret, a second active one, and contradictory states', async () => {
    await add(database(), 'checked', key)
    const insert = (columns: string, values: string) => {
      const { stored } = newSecret('checked', key)
      return database().run((sql) =>
        sql.unsafe(
          `INSERT INTO client_secrets (client, id, key_id, ${columns})
           VALUES ('checked', '${stored.secretId}', '${key.id}', ${values})`,
        ),
      )
    }
    const bytes = `decode('${'00'.repeat(40)}', 'hex')`
    for (const [columns, values] of [
      ['state, slot, sealed', `'active', 2, ${bytes}`],
      ['state, slot, sealed, expires_at', `'retiring', 1, ${bytes}, now()`],
      ['state, slot, sealed, expires_at', `'retiring', 4, ${bytes}, now()`],
      ['state, slot, sealed', `'retiring', 2, ${bytes}`],
      ['state, slot, sealed, expires_at', `'retiring', NULL, ${bytes}, now()`],
      ['state, slot, expires_at', `'retiring', 2, now()`],
      ['state, slot, sealed, revoked_at', `'revoked', NULL, ${bytes}, now()`],
      ['state, slot, revoked_at', `'revoked', 2, now()`],
      ['state', `'revoked'`],
      ['state, slot, sealed', `'sleeping', 2, ${bytes}`],
      [
        'state, slot, sealed, expires_at',
        `'retiring', 2, ${bytes.replace('00'.repeat(40), '00'.repeat(28))}, now()`,
      ],
    ] as const) {
      await assert.rejects(insert(columns, values), /violates (check|unique) constraint/, values)
    }
    await insert('state, slot, sealed, expires_at', `'retiring', 2, ${bytes}, now()`)
    await database().run((sql) => sql`DELETE FROM client_secrets WHERE client = 'checked'`)
  })

  test('a known version is not read again; every change, also by hand, gives a new version', async () => {
    const { version } = await readClients(database(), '')
    assert.equal((await readClients(database(), version)).secrets, undefined)
    await add(database(), 'by-hand', key)
    const added = await readClients(database(), version)
    assert.ok(added.secrets?.some(({ client }) => client === 'by-hand'))
    await database().run((sql) => sql`UPDATE clients SET min_scheme = 'rfc9421' WHERE id = 'by-hand'`)
    const { secrets, version: last } = await readClients(database(), added.version)
    assert.equal(secrets?.find(({ client }) => client === 'by-hand')?.minScheme, 'rfc9421')
    await database().run((sql) => sql`DELETE FROM client_secrets WHERE client = 'by-hand'`)
    await database().run((sql) => sql`DELETE FROM clients WHERE id = 'by-hand'`)
    assert.ok((await readClients(database(), last)).secrets)
  })

  test('resealing seals every secret under the new key, or changes nothing', async () => {
    const made = await add(database(), 'resealed', key)
    const next = newKey().key
    const nonce = () => Buffer.from(crypto.getRandomValues(new Uint8Array(12)))
    const before = await readClients(database(), '')
    await assert.rejects(
      resealSecrets(database(), [next], nonce, changeNote()),
      /is not the key of \d+ secrets/,
    )
    assert.deepEqual((await readClients(database(), '')).secrets, before.secrets)
    const count = await resealSecrets(database(), [next, key], nonce, changeNote())
    assert.equal(count, before.secrets?.length)
    const { secrets = [] } = await readClients(database(), '')
    assert.deepEqual([...new Set(secrets.map(({ sealed }) => sealed.keyId))], [next.id])
    const row = secrets.find(({ client }) => client === 'resealed')
    assert.ok(row)
    assert.equal(open(row.sealed.bytes, row, next).toString(), made.secret)
    assert.equal(await resealSecrets(database(), [next, key], nonce, changeNote()), 0)
    await database().run(
      (sql) => sql`
      UPDATE client_secrets SET sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1) WHERE client = 'resealed'`,
    )
    const third = newKey().key
    await assert.rejects(
      resealSecrets(database(), [third, next], nonce, changeNote()),
      /of client resealed cannot be opened/,
    )
    const after = (await readClients(database(), '')).secrets ?? []
    assert.ok(!after.some(({ sealed }) => sealed.keyId === third.id))
  })
}
