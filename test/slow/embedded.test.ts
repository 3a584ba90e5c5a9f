import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { lockDirectory } from '../../internal/database/data-lock.ts'
import { openEmbedded } from '../../internal/database/embedded.ts'
import { unpackInitialData } from '../../internal/database/initial-data.ts'
import { until } from '../support/until.ts'

let root: string
before(() => {
  root = mkdtempSync(join(tmpdir(), 'oncekey embedded '))
})
after(() => rmSync(root, { recursive: true, force: true }))

test('committed rows exist after the database is opened again', async () => {
  const directory = join(root, 'a path with spaces', 'ünd umlauts')
  const progress: string[] = []
  const first = await openEmbedded(directory, { onProgress: (text) => void progress.push(text) })
  await first.run((sql) => sql.unsafe('CREATE TABLE t (n int); INSERT INTO t VALUES (1)'))
  await first.close()
  assert.match(progress.join(), /creating the embedded database/)
  const again = await openEmbedded(directory, { onProgress: () => assert.fail('created again') })
  const rows = await again.run((sql) => sql`SELECT n FROM t`)
  assert.deepEqual(
    rows.map((row) => row.n),
    [1],
  )
  await again.close()
  assert.deepEqual(readdirSync(directory), ['postgres'], 'only the database is left, no lock')
})

/** A data directory with a database. Copied, because creating one takes seconds. */
function created(name: string): string {
  const directory = join(root, name)
  cpSync(join(root, 'a path with spaces', 'ünd umlauts'), directory, { recursive: true })
  return directory
}

test('opening a directory in use is refused with the name of its owner', async () => {
  const directory = created('in use')
  const database = await openEmbedded(directory)
  await assert.rejects(
    openEmbedded(directory),
    new RegExp(`in use by process ${process.pid} on ${hostname()}`),
  )
  await database.ping()
  await database.close()
})

test('a damaged directory gives an error that says what to do, and is not replaced', async () => {
  const directory = created('damaged')
  const control = join(directory, 'postgres', 'global', 'pg_control')
  truncateSync(control, 100)
  await assert.rejects(
    openEmbedded(directory),
    /cannot be opened: .*Restore the directory from a copy, or move it away/,
  )
  assert.equal(statSync(control).size, 100)
  assert.deepEqual(readdirSync(directory), ['postgres'], 'no lock is left')
})

test('a directory of another version, or without a database, is refused', async () => {
  const directory = join(root, 'other')
  mkdirSync(join(directory, 'postgres'), { recursive: true })
  await assert.rejects(openEmbedded(directory), /it has no PG_VERSION/)
  writeFileSync(join(directory, 'postgres', 'PG_VERSION'), '15\n')
  await assert.rejects(openEmbedded(directory), /it is of PostgreSQL 15, but this version needs 18/)
})

test('a database that could not be created in time is an error, and the next start creates it', async () => {
  const directory = join(root, 'not in time')
  await assert.rejects(
    openEmbedded(directory, { createDeadlineMs: 1 }),
    /cannot be created: it did not open within 0\.001 s\. No data is lost: start again when/,
  )
  const database = await openEmbedded(directory)
  await database.ping()
  await database.close()
})

test('the write-ahead log stays small while the database is open', async () => {
  const database = await openEmbedded(created('log'), {
    upkeep: { everyMs: 10, maxWalBytes: 1_048_576, maxDeadRows: 1_000_000 },
  })
  const lastCheckpoint = async () => {
    const [row] = await database.run((sql) => sql`SELECT redo_lsn::text AS at FROM pg_control_checkpoint()`)
    return String(row?.at)
  }
  for (let round = 0; round < 2; round++) {
    const before = await lastCheckpoint()
    await database.run((sql) => sql`INSERT INTO t SELECT generate_series(1, 30000)`)
    await until('there was a checkpoint', async () => (await lastCheckpoint()) !== before)
  }
  await database.close()
})

test('the space of deleted rows is reused and statistics are collected, as by autovacuum', async () => {
  const upkeep = { everyMs: 10, maxWalBytes: 1_073_741_824, maxDeadRows: 1_000 }
  const database = await openEmbedded(created('vacuum'), { upkeep })
  await database.run((sql) => sql`CREATE TABLE "Odd name" (n integer, text text)`)
  const stateOf = async () => {
    const [row] = await database.run(
      (sql) => sql`
        SELECT vacuum_count::int AS vacuums, pg_total_relation_size(relid)::int AS bytes FROM pg_stat_user_tables
        WHERE relname = 'Odd name'`,
    )
    return { vacuums: Number(row?.vacuums), bytes: Number(row?.bytes) }
  }
  let { vacuums, bytes } = await stateOf()
  const sizes: number[] = []
  for (let round = 0; round < 6; round++) {
    await database.run(
      (sql) => sql`INSERT INTO "Odd name" SELECT n, repeat('x', 100) FROM generate_series(1, 5000) AS n`,
    )
    await database.run((sql) => sql`DELETE FROM "Odd name"`)
    const before = vacuums
    await until('it is vacuumed', async () => {
      ;({ vacuums, bytes } = await stateOf())
      return vacuums > before
    })
    sizes.push(bytes)
  }
  // Without a vacuum each round adds 0.7 MB.
  assert.ok(Math.max(...sizes) < 1_500_000, sizes.join(', '))
  await database.close()
})

test('a new database needs no initdb, and only its owner can read it, with any umask', async (t) => {
  const umask = process.umask(0)
  t.after(() => process.umask(umask))
  const directory = join(root, 'new')
  assert.equal(unpackInitialData(directory), 'current')
  assert.equal(statSync(directory).mode & 0o777, 0o700)
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' })
  assert.ok(names.length > 900, `${names.length} files`)
  for (const name of names) {
    const found = statSync(join(directory, name))
    assert.equal(found.mode & 0o777, found.isDirectory() ? 0o700 : 0o600, name)
  }
})

test('a creation that was ended by kill -9 is started again', async (t) => {
  const directory = join(root, 'cut off')
  const module = new URL('../../internal/database/embedded.ts', import.meta.url).href
  const script = `import(${JSON.stringify(module)}).then((m) => m.openEmbedded(${JSON.stringify(directory)}))`
  const child = spawn(process.execPath, ['--import', 'tsx', '-e', script], { stdio: 'inherit' })
  t.after(() => child.kill('SIGKILL'))
  // As soon as the first directories exist, before their files.
  while (!readdirIfThere(directory).includes('base')) await sleep(5)
  child.kill('SIGKILL')
  await once(child, 'exit')
  const database = await openEmbedded(directory)
  await database.ping()
  await database.close()
})

/** The names two levels down, in a directory that is being created. */
function readdirIfThere(directory: string): string[] {
  try {
    return readdirSync(directory).flatMap((name) =>
      name === 'lock' ? [] : readdirSync(join(directory, name)),
    )
  } catch {
    return []
  }
}

test('the lock of a dead process is taken over at once', async () => {
  const directory = join(root, 'dead owner')
  const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60_000)'])
  await once(child, 'spawn')
  mkdirSync(directory)
  writeFileSync(
    join(directory, 'lock'),
    JSON.stringify({ pid: child.pid, host: hostname(), started: 'other' }),
  )
  child.kill('SIGKILL')
  await once(child, 'exit')
  lockDirectory(directory).release()
})

test('a process with the reused pid of the dead owner does not count as the owner', () => {
  const directory = join(root, 'number reused')
  mkdirSync(directory)
  writeFileSync(join(directory, 'lock'), JSON.stringify({ pid: process.pid, host: hostname(), started: '1' }))
  lockDirectory(directory).release()
})

test('a lock from another host holds while it is refreshed', () => {
  const directory = join(root, 'other host')
  mkdirSync(directory)
  writeFileSync(join(directory, 'lock'), JSON.stringify({ pid: 1, host: 'elsewhere', started: '' }))
  assert.throws(() => lockDirectory(directory), /in use by process 1 on elsewhere/)
})

test('a lock file of another program is not removed', () => {
  const directory = join(root, 'foreign lock')
  mkdirSync(directory)
  for (const text of ['{}', 'none of your business']) {
    writeFileSync(join(directory, 'lock'), text)
    assert.throws(() => lockDirectory(directory), /is not a lock of oncekey/)
    assert.ok(existsSync(join(directory, 'lock')))
  }
})

test('the error of a data directory that cannot be created has its path and setting', () => {
  const file = join(root, 'a file')
  writeFileSync(file, '')
  for (const directory of [file, join(file, 'data'), '/proc/oncekey/data']) {
    const fault = new RegExp(`data directory ${directory} cannot be used: E.*DATA_DIR`)
    assert.throws(() => lockDirectory(directory), fault)
  }
})

test('a database whose files cannot be made names its directory, and what to do', async () => {
  // There is room for the names of the lock, and for no longer ones.
  const directory = join(root, ...Array(19).fill('d'.repeat(220))).slice(0, 4_070)
  const fault =
    /^Error: the embedded database in \/.* cannot be created: ENAMETOOLONG[^\n]*\. [^\n]*start again/
  await assert.rejects(openEmbedded(directory), fault)
  assert.ok(!existsSync(join(directory, 'lock')))
})

test('an empty lock, as after a power failure, is taken over after a while', () => {
  const directory = join(root, 'empty lock')
  mkdirSync(directory)
  const lock = join(directory, 'lock')
  for (const text of ['', '\0\0']) {
    writeFileSync(lock, text)
    assert.throws(() => lockDirectory(directory), /in use by process 0 on no host/)
    utimesSync(lock, new Date(0), new Date(0))
    lockDirectory(directory).release()
  }
})

test('a statement of some seconds does not miss the deadline of the embedded database', async () => {
  const database = await openEmbedded(created('slow'))
  const [row] = await database.run((sql) => sql`SELECT 1 AS n FROM pg_sleep(3)`)
  assert.equal(row?.n, 1)
  await database.close()
})
