import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { openDatabase } from '../../internal/database/database.ts'
import { migrate } from '../../internal/database/migrate.ts'
import { sign } from '../../internal/signature/schemes.ts'
import { SQL_DIRECTORY } from '../../src/package-root.ts'
import { newKey } from '../support/clients.ts'
import { send } from '../support/order-client.ts'
import { oncekey } from '../support/run-command.ts'
import { createDatabase, freePort, type TestDatabase } from '../support/servers.ts'
import { type Settings, startService } from '../support/service.ts'

const KEY = newKey()
const ID = /^[0-9a-f]{12}$/
let created: TestDatabase
let settings: Settings

before(async () => {
  created = await createDatabase()
  const database = openDatabase(created.url)
  await migrate(database, SQL_DIRECTORY)
  await database.close()
  settings = { DATABASE_URL: created.url, SECRETS_KEY: KEY.text }
})
after(() => created.drop())

const clients = (...args: string[]) => oncekey(['clients', ...args], settings)
async function json(...args: string[]) {
  const { code, stdout, stderr } = await clients(...args, '--json')
  assert.equal(code, 0, stderr)
  return JSON.parse(stdout)
}

test('a secret is shown when it is created, as text and as JSON, and never again', async () => {
  const added = await clients('add', 'shown', '--min-scheme', 'v1')
  assert.equal(added.code, 0, added.stderr)
  const [, first = ''] = /^secret +(oks_[A-Za-z0-9_-]{43})$/m.exec(added.stdout) ?? []
  assert.notEqual(first, '')
  const rotated = await json('rotate', 'shown', '--overlap', '1h')
  assert.match(rotated.secret, /^oks_[A-Za-z0-9_-]{43}$/)
  assert.match(rotated.secret_id, ID)
  assert.equal(rotated.retiring.length, 1)
  const leftMs = Date.parse(rotated.retiring[0].expires_at) - Date.now()
  assert.ok(leftMs > 3_500_000 && leftMs <= 3_600_000, `${leftMs}`)
  for (const args of [['list'], ['list', '--json'], ['revoke', 'shown', '--json']]) {
    const { code, stdout, stderr } = await clients(...args)
    assert.equal(code, 0, stderr)
    assert.doesNotMatch(stdout + stderr, /oks_/)
  }
  const [listed] = await json('list')
  assert.deepEqual(
    [listed.client, listed.min_scheme, listed.secrets.map((one: { state: string }) => one.state)],
    ['shown', 'v1', ['revoked', 'revoked']],
  )
})

test('the default overlap is 72 h; list shows a line for each secret', async () => {
  const first = await json('add', 'lined')
  const { secret_id, retiring } = await json('rotate', 'lined')
  const leftMs = Date.parse(retiring[0].expires_at) - Date.now()
  assert.ok(leftMs > 71.9 * 3_600_000 && leftMs <= 72 * 3_600_000, `${leftMs}`)
  const { stdout } = await clients('list')
  assert.match(stdout, /^CLIENT +MIN_SCHEME +LIMITS +SECRET +STATE +SINCE +UNTIL$/m)
  assert.match(stdout, new RegExp(`^lined +- +- +${secret_id} +active +\\S+ +-$`, 'm'))
  assert.match(
    stdout,
    new RegExp(`^lined +- +- +${first.secret_id} +retiring +\\S+ +${retiring[0].expires_at}$`, 'm'),
  )
})

test('one secret is revoked by its id, and the remaining secrets are shown', async () => {
  const first = await json('add', 'partly')
  const second = await json('rotate', 'partly')
  assert.deepEqual(await json('revoke', 'partly', '--secret', first.secret_id), {
    client: 'partly',
    revoked: first.secret_id,
    left: [second.secret_id],
  })
  const all = await clients('revoke', 'partly')
  assert.equal(all.stdout, 'revoked all secrets of partly; none is left\n')
  assert.match((await json('rotate', 'partly')).secret, /^oks_/)
})

test('an error is one line on standard error', async () => {
  await json('add', 'there')
  for (const [args, message] of [
    [['add', 'there'], /there is a client there already; "oncekey clients rotate there"/],
    [['rotate', 'there', '--overlap', '72'], /--overlap 72: must be a duration like/],
    [['list', '--all'], /Unknown option '--all'/],
  ] as const) {
    const { code, stdout, stderr } = await clients(...args)
    assert.equal(code, 1)
    assert.match(stderr, message)
    assert.match(stderr, /^oncekey clients: [^\n]+\n$/, 'one line')
    assert.equal(stdout, '')
  }
})

test('an unreachable database, a refusal, or missing migrations are reported in one line', async () => {
  const empty = await createDatabase()
  const gone = `postgres://u:hunter2@127.0.0.1:${await freePort()}/x`
  for (const [url, message] of [
    [gone, /the database of DATABASE_URL cannot be used: connect ECONNREFUSED/],
    [
      created.url.replace(/\/\w+$/, '/no_such_database'),
      /cannot be used: database "no_such_database" does not/,
    ],
    [empty.url, /the database lacks 001_deployment.sql, .*004_clients.sql.*: run oncekey migrate/],
  ] as const) {
    for (const command of ['clients', 'migrate']) {
      if (command === 'migrate' && url === empty.url) continue
      const args = command === 'clients' ? ['clients', 'list'] : ['migrate']
      const { code, stderr } = await oncekey(args, { ...settings, DATABASE_URL: url })
      assert.equal(code, 1)
      assert.match(stderr, message)
      assert.match(stderr, new RegExp(`^oncekey ${command}: [^\\n]+\\n$`), 'one line')
      assert.doesNotMatch(stderr, /hunter2/)
    }
  }
  await empty.drop()
})

test('every help names the verbs and the settings', async () => {
  const { code, stdout } = await oncekey(['clients', '--help'])
  assert.equal(code, 0)
  for (const word of [
    'add NAME',
    'list',
    'rotate NAME',
    'revoke NAME',
    'reseal',
    'SECRETS_KEY',
    'DATABASE_URL',
  ])
    assert.ok(stdout.includes(word), word)
})

test('clients can be added to the embedded database only while no service uses it', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'oncekey-clients-'))
  const env = { DATA_DIR: directory, SECRETS_KEY: KEY.text }
  const added = await oncekey(['clients', 'add', 'embedded', '--json'], env)
  assert.equal(added.code, 0, added.stderr)
  const { secret } = JSON.parse(added.stdout)
  const service = await startService(env)
  const timestamp = Math.floor(Date.now() / 1000)
  const signed = { method: 'GET', target: '/orders', timestamp, client: 'embedded', key: '', body: '' }
  const signature = sign({ scheme: 'v1', secret, ...signed })
  const reply = await send(`${service.url}/orders`, {
    headers: { 'X-Client-Id': 'embedded', 'X-Signature': signature },
  })
  assert.equal(reply.status, 200)
  const locked = await oncekey(['clients', 'list'], env)
  assert.equal(locked.code, 1)
  assert.match(
    locked.stderr,
    new RegExp(`^oncekey clients: the data directory ${directory} is in use by process`),
  )
  assert.match(locked.stderr, new RegExp(`process ${service.pid} .*CLIENTS_FILE.*DATABASE_URL\\n$`))
  await service.stop()
  rmSync(directory, { recursive: true, force: true })
})
