import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { newKey, orderBody, postOrder, send } from '../support/order-client.ts'
import { needProgram } from '../support/programs.ts'
import { oncekey } from '../support/run-command.ts'
import { createDatabase } from '../support/servers.ts'
import { startService } from '../support/service.ts'

// The procedures of docs/operations.md, on real databases.

const DUMP = ['--no-owner', '--no-unlogged-table-data']
const MAX_DUMP_BYTES = 64 * 1024 * 1024

function dump(url: string): Buffer {
  const program = needProgram('pg_dump', 'postgresql-client')
  return execFileSync(program, [...DUMP, '--dbname', url], { maxBuffer: MAX_DUMP_BYTES })
}

function restore(url: string, dumped: Buffer): void {
  const program = needProgram('psql', 'postgresql-client')
  const options = ['--quiet', '--no-psqlrc', '--single-transaction', '--set', 'ON_ERROR_STOP=1']
  execFileSync(program, [...options, '--dbname', url], { input: dumped, stdio: ['pipe', 'ignore', 'pipe'] })
}

function pay(url: string, key: string) {
  return send(`${url}/api/v1/payments`, {
    method: 'POST',
    headers: {
      Authorization: 'Bearer test-api-key',
      'Content-Type': 'application/json',
      'Idempotency-Key': key,
    },
    body: JSON.stringify({ amount: 12.5, currency: 'EUR', payment_method: 'card_4242424242424242' }),
  })
}

test('after a dump and a restore every retry gets the same bytes, and what came after the dump is new', async () => {
  const [before, after] = await Promise.all([createDatabase(), createDatabase()])
  const old = await startService({ DATABASE_URL: before.url, RATE_LIMITS: 'none' })
  const [orderKey, paymentKey, lateKey] = [newKey(), newKey(), newKey()]
  const order = await postOrder(old.url, orderKey, orderBody())
  const payment = await pay(old.url, paymentKey)
  assert.deepEqual([order.status, payment.status], [201, 200])
  // While the service runs: a dump is one moment of the database.
  const dumped = dump(before.url)
  const late = await postOrder(old.url, lateKey, orderBody())
  await old.stop()

  restore(after.url, dumped)
  const restored = await startService({ DATABASE_URL: after.url, RATE_LIMITS: 'none' })
  const again = [await postOrder(restored.url, orderKey, orderBody()), await pay(restored.url, paymentKey)]
  for (const [i, first] of [order, payment].entries()) {
    assert.equal(again[i]?.headers['idempotent-replayed'], 'true')
    assert.deepEqual([again[i]?.status, again[i]?.body], [first.status, first.body])
  }
  const other = await postOrder(restored.url, orderKey, orderBody({ item: 'another' }))
  assert.equal(other.code, 'idempotency_key_reused')
  // The restored moment knows nothing of it: the retry of a partner places it, once.
  const retried = await postOrder(restored.url, lateKey, orderBody())
  assert.equal(retried.status, 201)
  assert.equal(retried.headers['idempotent-replayed'], undefined)
  assert.notDeepEqual(retried.body, late.body)
  await restored.stop()

  const verified = await oncekey(['audit', 'verify'], { DATABASE_URL: after.url })
  assert.equal(verified.code, 0, verified.stderr + verified.stdout)
  await Promise.all([before.drop(), after.drop()])
})

/** The commands of the section, one a line. */
function commandsOf(section: string): string[] {
  const text = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8')
  const block = new RegExp(`^## ${section}$[\\s\\S]*?^\`\`\`sh\\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(text)?.[1]
  assert.ok(block, section)
  return block.trim().split('\n')
}

test('the heads of a backup are in its dump, however much the service writes meanwhile', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'oncekey-backup-'))
  const [before, after] = await Promise.all([createDatabase(), createDatabase()])
  const service = await startService({ DATABASE_URL: before.url, RATE_LIMITS: 'none' })
  const bin = dirname(needProgram('pg_dump', 'postgresql-client'))
  const env = {
    PATH: `${bin}:${process.env.PATH}`,
    HOME: directory,
    DATABASE_URL: before.url,
    NODE: process.execPath,
    PROGRAM: fileURLToPath(new URL('../../src/oncekey.js', import.meta.url)),
  }
  for (const command of commandsOf('Backup')) {
    assert.equal((await pay(service.url, newKey())).status, 200)
    const line = `oncekey() { "$NODE" "$PROGRAM" "$@"; }; ${command}`
    execFileSync('/bin/sh', ['-c', line], { cwd: directory, env, stdio: 'pipe' })
  }
  await service.stop()
  restore(after.url, readFileSync(join(directory, 'oncekey.sql')))
  const heads = ['--heads', join(directory, 'heads.txt')]
  const verified = await oncekey(['audit', 'verify', ...heads], { DATABASE_URL: after.url })
  assert.deepEqual([verified.code, /compared: no fault/.test(verified.stdout)], [0, true], verified.stdout)
  await Promise.all([before.drop(), after.drop()])
  rmSync(directory, { recursive: true })
})

test('a restored database keeps what refuses to change the audit trail', async () => {
  const [before, after] = await Promise.all([createDatabase(), createDatabase()])
  const service = await startService({ DATABASE_URL: before.url, RATE_LIMITS: 'none' })
  await pay(service.url, newKey())
  await service.stop()
  restore(after.url, dump(before.url))
  const psql = needProgram('psql', 'postgresql-client')
  const change = ['--no-psqlrc', '--dbname', after.url, '--command', 'DELETE FROM audit_log']
  assert.throws(() => execFileSync(psql, change, { stdio: 'pipe' }), /append-only/)
  await Promise.all([before.drop(), after.drop()])
})

test('without its expired keys an order is still found by its own key', async () => {
  const place = await createDatabase()
  const service = await startService({ DATABASE_URL: place.url, RATE_LIMITS: 'none' })
  const key = newKey()
  const first = await postOrder(service.url, key, orderBody())
  const psql = needProgram('psql', 'postgresql-client')
  // What the sweeper does when IDEMPOTENCY_TTL is over.
  execFileSync(psql, [
    '--quiet',
    '--no-psqlrc',
    '--dbname',
    place.url,
    '--command',
    'DELETE FROM idempotency_keys',
  ])
  const again = await postOrder(service.url, key, orderBody())
  assert.deepEqual([again.status, again.body], [first.status, first.body])
  await service.stop()
  await place.drop()
})

test('the audit trail is exported by either name of the command, and the export is verified as it is', async () => {
  const place = await createDatabase()
  const service = await startService({ DATABASE_URL: place.url, RATE_LIMITS: 'none' })
  await pay(service.url, newKey())
  await service.stop()
  const settings = { DATABASE_URL: place.url }
  const [one, other] = await Promise.all([
    oncekey(['audit', 'export'], settings),
    oncekey(['export', 'audit'], settings),
  ])
  assert.equal(one.code, 0, one.stderr)
  assert.match(one.stdout, /"event_type":"payment\.completed"/)
  assert.equal(other.stdout, one.stdout)
  const wrong = await oncekey(['export', 'orders'], settings)
  assert.deepEqual([wrong.code, /export audit/.test(wrong.stderr)], [1, true])
  await place.drop()
})
