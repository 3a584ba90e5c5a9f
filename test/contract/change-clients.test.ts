import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { z } from 'zod'
import { auditLog } from '../../internal/audit/audit-log.ts'
import type { Database } from '../../internal/database/database.ts'
import { storeUnavailable } from '../../internal/database/deadline.ts'
import { listClients } from '../../internal/signature/list-clients.ts'
import {
  addOne,
  limitOne,
  resealAll,
  revokeOne,
  rotateOne,
  type Setting,
} from '../../src/cli/change-clients.ts'
import { readConfig } from '../../src/config/config.ts'
import { changeNote, newKey } from '../support/clients.ts'
import { type OpenedDatabase, openMigrated } from '../support/migrated-database.ts'

const { text: KEY } = newKey()
const { text: OTHER } = newKey()
let opened: OpenedDatabase
let database: Database
let file: string
const warnings: string[] = []
before(async () => {
  opened = await openMigrated('server')
  database = opened.database
  file = join(mkdtempSync(join(tmpdir(), 'oncekey-clients-')), 'clients.json')
  writeFileSync(file, JSON.stringify({ filed: { secrets: ['x'] } }))
})
after(async () => {
  await opened.close()
  rmSync(join(file, '..'), { recursive: true })
})

function setting(env: Record<string, string> = {}): Setting {
  return {
    config: readConfig('clients', { SECRETS_KEY: KEY, ...env }),
    note: changeNote(),
    warn: (text) => warnings.push(text),
  }
}

test('an impossible change is refused with what to do, and changes nothing', async () => {
  await addOne(database, setting(), 'there', 'v1')
  const before = await listClients(database)
  const withFile = setting({ CLIENTS_FILE: file })
  const wrong = setting({ SECRETS_KEY: OTHER })
  for (const [refused, message] of [
    [
      () => addOne(database, setting(), 'there', undefined),
      /^there is a client there already; "oncekey clients rotate/,
    ],
    [() => rotateOne(database, setting(), 'nobody', 1), /^there is no client nobody$/],
    [() => revokeOne(database, setting(), 'nobody', undefined), /^there is no client nobody$/],
    [() => revokeOne(database, setting(), 'there', 'abc'), /^--secret abc: client there has no such secret$/],
    [
      () => addOne(database, setting(), 'default', undefined),
      /^client default is defined by HMAC_SECRET or CLIENTS_FILE/,
    ],
    [
      () => addOne(database, withFile, 'filed', undefined),
      /^client filed is defined by HMAC_SECRET or CLIENTS_FILE/,
    ],
    [
      () => rotateOne(database, withFile, 'filed', 1),
      /^client filed is not in the database but in HMAC_SECRET or/,
    ],
    [
      () => addOne(database, setting({ SECRETS_KEY: '' }), 'new', undefined),
      /^SECRETS_KEY is not set: make one with/,
    ],
    [() => rotateOne(database, wrong, 'there', 1), /^SECRETS_KEY is not the key of 1 secrets/],
    [() => addOne(database, wrong, 'new', undefined), /^SECRETS_KEY is not the key of 1 secrets/],
    [() => resealAll(database, wrong), /^SECRETS_KEY is not the key of 1 secrets/],
  ] as const) {
    await assert.rejects(refused, { message })
  }
  assert.deepEqual(await listClients(database), before)
})

test('a rotation with three secrets in force is refused with how to make room', async () => {
  await addOne(database, setting(), 'full', undefined)
  for (let i = 0; i < 2; i++) await rotateOne(database, setting(), 'full', 3_600_000)
  await assert.rejects(rotateOne(database, setting(), 'full', 3_600_000), {
    message:
      /^client full has 3 secrets in force, the most there can be: .*--secret ID" \(see list\), or .*0s$/,
  })
})

test('revoking a client that the settings keep in force gives a warning', async () => {
  await addOne(database, setting(), 'filed', undefined)
  await revokeOne(database, setting({ CLIENTS_FILE: file }), 'filed', undefined)
  assert.deepEqual(warnings, [
    'client filed is also defined by HMAC_SECRET or CLIENTS_FILE, which stays in force',
  ])
})

test('a change whose response is lost is repeated, and takes effect once', async () => {
  let lost = 0
  const losing: Database = {
    ...database,
    async run(statement, deadlineMs) {
      const response = await database.run(statement, deadlineMs)
      // Of each change the first response: the client is written before it is read.
      if (lost++ === 1) throw storeUnavailable(new Error('connection lost'), 'unknown')
      return response
    },
  }
  await addOne(losing, setting(), 'once', undefined)
  lost = 0
  await rotateOne(losing, setting(), 'once', 3_600_000)
  const [listed] = await listClients(database, 'once')
  assert.deepEqual(
    listed?.secrets.map(({ state }) => state),
    ['active', 'retiring'],
  )
  assert.deepEqual(
    (await trailOf('once')).map(({ type }) => type),
    ['client.added', 'client.rotated'],
  )
})

/** Oldest first. */
async function trailOf(client: string) {
  const entries = await auditLog(database).list(client, { limit: 100 })
  return entries.reverse().map(({ eventType, entry }) => ({ type: eventType, entry: JSON.parse(entry) }))
}

test('each change is an entry in the audit trail of its client, with operator and reason, without a secret', async () => {
  const added = await addOne(database, setting(), 'traced', 'v1')
  const rotated = await rotateOne(database, setting(), 'traced', 0)
  await addOne(database, setting(), 'neighbour', undefined)
  const next = newKey().text
  await resealAll(database, setting({ SECRETS_KEY: next, SECRETS_KEY_OLD: KEY }))
  await limitOne(database, setting(), 'traced', 'client=5/60s')
  await revokeOne(database, setting(), 'traced', undefined)
  await assert.rejects(rotateOne(database, setting(), 'untraced', 0))
  // Restores the seals for the other tests.
  await resealAll(database, setting({ SECRETS_KEY_OLD: next }))

  const trail = await trailOf('traced')
  assert.deepEqual(
    trail.map(({ type }) => type),
    ['client.added', 'client.rotated', 'client.resealed', 'client.limited', 'client.revoked'],
  )
  for (const { entry } of trail) {
    assert.deepEqual([entry.operator, entry.reason], ['jane', 'a test'])
    assert.match(entry.id, /^[0-9a-f-]{36}$/)
  }
  const secretIds = [added, rotated].map(
    ({ json }) => z.object({ secret_id: z.string() }).parse(json).secret_id,
  )
  assert.deepEqual(
    [
      trail[0]?.entry.secret_id,
      trail[1]?.entry.secret_id,
      trail[0]?.entry.min_scheme,
      trail[1]?.entry.overlap_ms,
    ],
    [...secretIds, 'v1', 0],
  )
  assert.equal(trail[3]?.entry.limits, 'client=5/60s')
  assert.equal(trail[4]?.entry.secret_id, 'all')
  assert.doesNotMatch(JSON.stringify(trail), /oks_/)
  assert.deepEqual(
    (await trailOf('neighbour')).map(({ type }) => type),
    ['client.added', 'client.resealed', 'client.resealed'],
  )
  assert.deepEqual(await trailOf('untraced'), [])
})
