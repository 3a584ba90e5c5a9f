import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { describe, test } from 'node:test'
import { type AuditLog, auditLog, type NewEntry } from '../../internal/audit/audit-log.ts'
import type { Database } from '../../internal/database/database.ts'
import { audit, newClient, reportOf, tampered } from '../support/audit.ts'
import { duringTests } from '../support/during-tests.ts'
import { KINDS, openMigrated } from '../support/migrated-database.ts'
import { onCitus } from '../support/servers.ts'

for (const kind of KINDS) {
  describe(kind, () => {
    const opened = duringTests(() => openMigrated(kind))
    suite(() => opened().database)
  })
}

function suite(database: () => Database): void {
  const log = (): AuditLog => auditLog(database())
  const entry = (client: string, n: number): NewEntry => ({
    client,
    eventType: n % 2 === 0 ? 'payment.replayed' : 'payment.refused',
    entry: `{"id":"${randomUUID()}","n":${n},"text":"ä\\n本 \\" 😀"}`,
  })

  test('entries are numbered from 1 in the order of the calls, and read newest first', async () => {
    const client = newClient()
    const entries = Array.from({ length: 300 }, (_, n) => entry(client, n))
    const numbers = await Promise.all(entries.map(log().append))
    assert.deepEqual(
      numbers,
      entries.map((_, n) => n + 1),
    )
    const listed = await log().list(client, { limit: 100 })
    assert.deepEqual(
      listed.map(({ seq, entry: text, eventType }) => [seq, text, eventType]),
      entries
        .map((one, n) => [n + 1, one.entry, one.eventType])
        .reverse()
        .slice(0, 100),
    )
    for (const { at, hash } of listed) {
      assert.match(at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
      assert.match(hash, /^[0-9a-f]{64}$/)
    }
    const page = await log().list(client, { limit: 3, before: 10, eventType: 'payment.replayed' })
    assert.deepEqual(
      page.map(({ seq }) => seq),
      [9, 7, 5],
    )
    assert.deepEqual(await log().list(newClient(), { limit: 10 }), [])
    assert.deepEqual(await reportOf(database(), client), {
      client,
      from: 1,
      entries: 300,
      fault: null,
      head: { seq: 300, hash: listed[0]?.hash },
    })
  })

  test('an entry that the database refuses takes no number and no neighbour with it', async () => {
    const client = newClient()
    const good = Array.from({ length: 4 }, (_, n) => entry(client, n))
    const bad = [
      { ...entry(client, 9), eventType: 'Payment' },
      { ...entry(client, 9), entry: '[1]' },
      { ...entry(client, 9), entry: '{' },
      { ...entry(client, 9), entry: JSON.stringify({ long: 'x'.repeat(65_536) }) },
      { ...entry(client, 9), client: 'two\nlines' },
    ]
    const all = [...good.slice(0, 2), ...bad, ...good.slice(2)]
    const append = log().append
    const results = await Promise.allSettled(all.map((one) => append(one)))
    assert.deepEqual(
      results.map((result) => (result.status === 'fulfilled' ? result.value : 'refused')),
      [1, 2, ...bad.map(() => 'refused'), 3, 4],
    )
    assert.equal((await reportOf(database(), client))?.fault, null)
  })

  test('an entry written again is there once, whether the first writing came through or not', async () => {
    const client = newClient()
    const [first, second] = [entry(client, 1), entry(client, 2)]
    assert.equal(await log().append(first), 1)
    assert.equal(await log().append({ ...second, again: true }), 2)
    assert.equal(await log().append({ ...first, again: true }), 1)
    assert.equal(await log().append({ ...second, again: true }), 2)
    assert.equal(await log().append({ ...second, eventType: 'payment.conflict', again: true }), 3)
    assert.equal((await log().list(client, { limit: 10 })).length, 3)
  })

  test('nothing that is written can be changed, and no head goes back', async () => {
    const client = newClient()
    await log().append(entry(client, 1))
    await log().append(entry(client, 2))
    for (const statement of [
      "UPDATE audit_log SET entry = '{}'",
      'DELETE FROM audit_log',
      'TRUNCATE audit_log',
      `DELETE FROM audit_heads WHERE client = '${client}'`,
      'TRUNCATE audit_heads',
      `UPDATE audit_heads SET seq = 1 WHERE client = '${client}'`,
      `UPDATE audit_heads SET hash = sha256('') WHERE client = '${client}'`,
      "SET session_replication_role = replica; UPDATE audit_log SET entry = '{}'",
      // Citus sends the first two to no shard, and refuses the third by itself.
      ...(onCitus
        ? []
        : [
            'UPDATE audit_log SET seq = seq WHERE false',
            'DELETE FROM audit_log WHERE false',
            `UPDATE audit_heads SET client = 'other', seq = 3 WHERE client = '${client}'`,
          ]),
    ]) {
      await assert.rejects(
        database().run((sql) => sql.unsafe(statement)),
        (error: Error) =>
          error.cause instanceof Error &&
          /audit_(log|heads)(_\d+)? is append-only: (UPDATE|DELETE|TRUNCATE) refused/.test(
            error.cause.message,
          ),
        statement,
      )
    }
    await database().run((sql) => sql.unsafe('SET session_replication_role = DEFAULT'))
    assert.equal((await reportOf(database(), client))?.fault, null)
  })

  test('what SQL writes and what a group writes is one chain', async () => {
    const client = newClient()
    await log().append(entry(client, 1))
    await database().run(
      (sql) => sql`SELECT oncekey_audit(${client}, 'payment.completed', '{"amount" : 19.90}')`,
    )
    await log().append(entry(client, 2))
    const report = await reportOf(database(), client)
    assert.deepEqual([report?.entries, report?.fault], [3, null])
    const [newest] = await log().list(client, { limit: 1, before: 3 })
    assert.equal(newest?.entry, '{"amount" : 19.90}')
  })

  // On Citus the triggers of a table cannot be taken away as they are here: npm run test:citus shows that a shard refuses a change.
  if (onCitus) return
  describe('verify', () => {
    const COLUMNS = 'at, event_type, entry, hash'
    const cases: [what: string, sql: (client: string) => string, kind: string, seq: number][] = [
      ['a changed entry', (c) => `UPDATE audit_log SET entry = '{"n":99}' WHERE ${at(c, 3)}`, 'changed', 3],
      ['a changed time', (c) => `UPDATE audit_log SET at = at + '1 ms' WHERE ${at(c, 3)}`, 'changed', 3],
      ['a changed type', (c) => `UPDATE audit_log SET event_type = 'x' WHERE ${at(c, 1)}`, 'changed', 1],
      ['a changed hash', (c) => `UPDATE audit_log SET hash = sha256('') WHERE ${at(c, 5)}`, 'changed', 5],
      [
        'a changed entry whose own hash was computed anew',
        (c) => `UPDATE audit_log SET entry = '{"n":99}',
          hash = sha256((SELECT hash FROM audit_log WHERE ${at(c, 2)})
            || oncekey_audit_text(client, seq, at, event_type, '{"n":99}')) WHERE ${at(c, 3)}`,
        'changed',
        4,
      ],
      ['a missing entry', (c) => `DELETE FROM audit_log WHERE ${at(c, 3)}`, 'missing', 3],
      ['the first entries missing', (c) => `DELETE FROM audit_log WHERE ${below(c, 3)}`, 'missing', 1],
      ['the last entries cut off', (c) => `DELETE FROM audit_log WHERE ${above(c, 3)}`, 'cut_off', 4],
      ['all entries gone', (c) => `DELETE FROM audit_log WHERE client = '${c}'`, 'cut_off', 1],
      [
        'two entries that changed places',
        (c) => `UPDATE audit_log SET seq = 99 WHERE ${at(c, 2)};
          UPDATE audit_log SET seq = 2 WHERE ${at(c, 3)}; UPDATE audit_log SET seq = 3 WHERE ${at(c, 99)}`,
        'changed',
        2,
      ],
      [
        'a missing entry whose gap was closed',
        (c) => `DELETE FROM audit_log WHERE ${at(c, 3)};
          UPDATE audit_log SET seq = 3 WHERE ${at(c, 4)}; UPDATE audit_log SET seq = 4 WHERE ${at(c, 5)};
          UPDATE audit_log SET seq = 5 WHERE ${at(c, 6)}; UPDATE audit_heads SET seq = 5 WHERE client = '${c}'`,
        'changed',
        3,
      ],
      [
        'an inserted entry, with room made for it',
        (
          c,
        ) => `UPDATE audit_log SET seq = 7 WHERE ${at(c, 6)}; UPDATE audit_log SET seq = 6 WHERE ${at(c, 5)};
          INSERT INTO audit_log SELECT client, 5, ${COLUMNS} FROM audit_log WHERE ${at(c, 4)};
          UPDATE audit_heads SET seq = 7 WHERE client = '${c}'`,
        'changed',
        5,
      ],
      [
        'an entry inserted behind the end, properly hashed',
        (c) => `INSERT INTO audit_log SELECT client, 7, at, event_type, entry,
          sha256(hash || oncekey_audit_text(client, 7, at, event_type, entry)) FROM audit_log WHERE ${at(c, 6)}`,
        'inserted',
        7,
      ],
      [
        'an entry before the first',
        (c) => `ALTER TABLE audit_log DROP CONSTRAINT audit_log_seq_check;
          INSERT INTO audit_log SELECT client, 0, ${COLUMNS} FROM audit_log WHERE ${at(c, 1)}`,
        'inserted',
        0,
      ],
      ['a changed head', (c) => `UPDATE audit_heads SET hash = sha256('') WHERE client = '${c}'`, 'head', 6],
      ['a head put back', (c) => `UPDATE audit_heads SET seq = 4 WHERE client = '${c}'`, 'inserted', 5],
      ['a removed head', (c) => `DELETE FROM audit_heads WHERE client = '${c}'`, 'head', 6],
    ]
    for (const [what, statement, kind, seq] of cases) {
      test(`finds ${what}`, async () => {
        const client = newClient()
        for (let n = 1; n <= 6; n++) await log().append(entry(client, n))
        const sound = await reportOf(database(), client)
        assert.deepEqual([sound?.entries, sound?.fault], [6, null])
        const report = await tampered(database(), statement(client), () => reportOf(database(), client))
        assert.deepEqual([report?.fault?.kind, report?.fault?.seq], [kind, seq], report?.fault?.detail)
      })
    }

    test('finds a chain that was cut or written anew together with its head by the head that was noted', async () => {
      const client = newClient()
      for (let n = 1; n <= 6; n++) await log().append(entry(client, n))
      const noted = (await reportOf(database(), client))?.head
      assert.ok(noted)
      const cut = `DELETE FROM audit_log WHERE ${above(client, 4)}; UPDATE audit_heads SET seq = 4,
        hash = (SELECT hash FROM audit_log WHERE ${at(client, 4)}) WHERE client = '${client}'`
      await tampered(database(), cut, async () => {
        assert.equal((await reportOf(database(), client))?.fault, null)
        const { fault } = (await reportOf(database(), client, [noted])) ?? {}
        assert.deepEqual([fault?.kind, fault?.seq], ['cut_off', 5])
      })
      for (let n = 5; n <= 8; n++) await log().append(entry(client, n))
      assert.equal((await reportOf(database(), client))?.fault, null)
      const { fault } = (await reportOf(database(), client, [noted])) ?? {}
      assert.deepEqual([fault?.kind, fault?.seq], ['rewritten', 6])
    })

    test('finds the entries of a client that has no head while it goes through all clients', async () => {
      const client = newClient()
      for (let n = 1; n <= 3; n++) await log().append(entry(client, n))
      const remove = `DELETE FROM audit_heads WHERE client = '${client}'`
      const reports = await tampered(database(), remove, () => audit(database(), new Map()))
      const { fault } = reports.find((one) => one.client === client) ?? {}
      assert.deepEqual([fault?.kind, fault?.seq], ['head', 3])
    })

    test('finds a client that is gone altogether by its noted head', async () => {
      const client = newClient()
      const reports = await audit(database(), new Map([[client, [{ seq: 3, hash: 'a'.repeat(64) }]]]))
      const { fault } = reports.find((one) => one.client === client) ?? {}
      assert.deepEqual([fault?.kind, fault?.seq], ['cut_off', 1])
    })

    test('goes through every client, also over the border of a page, while others append', async () => {
      const clients = Array.from({ length: 420 }, (_, n) => `many-${n}`)
      const append = log().append
      await Promise.all(clients.map((client, n) => append(entry(client, n))))
      const client = newClient()
      await Promise.all(Array.from({ length: 1_100 }, (_, n) => append(entry(client, n))))
      let stop = false
      const others = (async () => {
        for (let n = 0; !stop; n++) await append(entry(client, n))
      })()
      const reports = await audit(database(), new Map())
      stop = true
      await others
      const seen = new Map(reports.map((report) => [report.client, report]))
      assert.equal(seen.size, reports.length)
      for (const one of clients) assert.equal(seen.get(one)?.fault, null, one)
      assert.equal(seen.get(client)?.fault, null, seen.get(client)?.fault?.detail)
      assert.ok((seen.get(client)?.entries ?? 0) >= 1_100)
    })
  })
}

const at = (client: string, seq: number) => `client = '${client}' AND seq = ${seq}`
const below = (client: string, seq: number) => `client = '${client}' AND seq < ${seq}`
const above = (client: string, seq: number) => `client = '${client}' AND seq > ${seq}`
