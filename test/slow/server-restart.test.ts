import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { test } from 'node:test'
import {
  query,
  ServerDownError,
  startPostgres,
  temporaryDirectory,
  unprivileged,
} from '../support/servers.ts'
import { until } from '../support/until.ts'

const isLinux = process.platform === 'linux'

test('a PostgreSQL whose killed processes leave one behind starts again', async (t) => {
  const server = await startPostgres()
  t.after(() => server.stop())
  // A stopped child of the server keeps its shared memory when the server is killed without it.
  const children = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
  const [, child] = new RegExp(`^\\s*(\\d+)\\s+${server.pid}$`, 'm').exec(children) ?? []
  assert.ok(child !== undefined)
  const { pid } = server
  process.kill(Number(child), 'SIGSTOP')
  process.kill(pid, 'SIGKILL')
  await until('the server is gone', () => !isRunning(pid))
  if (!isLinux) process.kill(Number(child), 'SIGKILL')
  await server.restart()
  const [row] = await query(server.url, (sql) => sql`SELECT 1 AS one`)
  assert.equal(row?.one, 1)
  if (isLinux) assert.match(server.log(), /pre-existing shared memory block/)
})

test('a server that cannot start again is reported within a minute, with what it has logged', async (t) => {
  const directory = temporaryDirectory()
  // PostgreSQL itself must be able to enter.
  const user = unprivileged()
  if (user !== undefined) execFileSync('chown', [`${user.uid}:${user.gid}`, directory])
  const server = await startPostgres({ directory })
  t.after(() => server.stop())
  await server.kill()
  rmSync(`${directory}/postgres/global`, { recursive: true })
  const beganMs = performance.now()
  await assert.rejects(server.restart(), (error) => {
    assert.ok(error instanceof ServerDownError)
    assert.match(error.message, /does not start:[\s\S]*global/)
    return true
  })
  assert.ok(performance.now() - beganMs < 60_000)
})

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
