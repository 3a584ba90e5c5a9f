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
  writeFileSync,
} from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { lockDirectory } from '../../internal/database/data-lock.ts'
import { openEmbedded } from '../../internal/database/embedded.ts'

let root: string
before(() => {
  root = mkdtempSync(join(tmpdir(), 'oncekey embedded '))
})
after(() => rmSync(root, { recursive: true, force: true }))

test('what was committed is there when the database is opened again', async () => {
  const directory = join(root, 'a path with spaces', 'ünd umlauts')
  const progress: string[] = []
  const first = await openEmbedded(directory, (text) => progress.push(text))
  await first.run((sql) => sql.unsafe('CREATE TABLE t (n int); INSERT INTO t VALUES (1)'))
  await first.close()
  assert.match(progress.join(), /creating the embedded database/)
  const again = await openEmbedded(directory, () => assert.fail('created again'))
  const rows = await again.run((sql) => sql`SELECT n FROM t`)
  assert.deepEqual(
    rows.map((row) => row.n),
    [1],
  )
  await again.close()
  assert.deepEqual(readdirSync(directory), ['postgres'], 'only the database is left, no lock')
})

/** A data directory with a database in it. Copied: creating one takes seconds. */
function created(name: string): string {
  const directory = join(root, name)
  cpSync(join(root, 'a path with spaces', 'ünd umlauts'), directory, { recursive: true })
  return directory
}

test('a second opening of a directory in use is refused, naming its owner', async () => {
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

test('a directory of another version, or of something else, is refused', async () => {
  const directory = join(root, 'other')
  mkdirSync(join(directory, 'postgres'), { recursive: true })
  await assert.rejects(openEmbedded(directory), /it has no PG_VERSION/)
  writeFileSync(join(directory, 'postgres', 'PG_VERSION'), '15\n')
  await assert.rejects(openEmbedded(directory), /it is of PostgreSQL 15, this is 18/)
})

test('a creation that was cut off by kill -9 is begun again', async (t) => {
  const directory = join(root, 'cut off')
  const module = new URL('../../internal/database/embedded.ts', import.meta.url).href
  const script = `import(${JSON.stringify(module)}).then((m) => m.openEmbedded(${JSON.stringify(directory)}))`
  const child = spawn(process.execPath, ['--import', 'tsx', '-e', script], { stdio: 'inherit' })
  t.after(() => child.kill('SIGKILL'))
  // As soon as initdb has written its first directories, long before it is done.
  while (!readdirIfThere(directory).includes('base')) await sleep(5)
  child.kill('SIGKILL')
  await once(child, 'exit')
  const database = await openEmbedded(directory)
  await database.ping()
  await database.close()
})

/** The names two levels down, of a directory that is just coming to be. */
function readdirIfThere(directory: string): string[] {
  try {
    return readdirSync(directory).flatMap((name) =>
      name === 'lock' ? [] : readdirSync(join(directory, name)),
    )
  } catch {
    return []
  }
}

test('the lock of a process that died is taken over at once', async () => {
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

test('a process that got the number of the dead owner is not taken for it', () => {
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

test('a lock file that is not ours is not removed', () => {
  const directory = join(root, 'foreign lock')
  mkdirSync(directory)
  writeFileSync(join(directory, 'lock'), '{}')
  assert.throws(() => lockDirectory(directory), /is not a lock of ours/)
  assert.ok(existsSync(join(directory, 'lock')))
})
