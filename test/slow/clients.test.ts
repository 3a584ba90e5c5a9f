import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openDatabase } from '../../internal/database/database.ts'
import { migrate } from '../../internal/database/migrate.ts'
import { revokeClient } from '../../internal/signature/client-table.ts'
import { sign } from '../../internal/signature/schemes.ts'
import { SQL_DIRECTORY } from '../../src/package-root.ts'
import { add, changeNote, newKey, rotate } from '../support/clients.ts'
import { newKey as newIdempotencyKey, orderBody, type Reply, send } from '../support/order-client.ts'
import { oncekey } from '../support/run-command.ts'
import { createDatabase, type TestDatabase } from '../support/servers.ts'
import { type Service, type Settings, startService } from '../support/service.ts'
import { until } from '../support/until.ts'

const HOUR_MS = 3_600_000
const KEY = newKey()
let created: TestDatabase
/** Production with only SECRETS_KEY: only the clients of the table can sign. */
let settings: Settings
let nodes: Service[]

before(async () => {
  created = await createDatabase()
  settings = {
    NODE_ENV: 'production',
    SIMULATED_GATEWAY: 'on',
    HOST: '127.0.0.1',
    DATABASE_URL: created.url,
    SECRETS_KEY: KEY.text,
    RATE_LIMITS: 'none',
  }
  nodes = await Promise.all([startService(settings), startService(settings)])
})
after(async () => {
  await Promise.all(nodes.map((node) => node.stop()))
  await created.drop()
})

/** A new signed order. */
function order(
  node: Service | undefined,
  client: string,
  secret: string,
  key = newIdempotencyKey(),
): Promise<Reply> {
  assert.ok(node)
  const body = orderBody()
  const timestamp = Math.floor(Date.now() / 1000)
  const signed = {
    scheme: 'v1',
    secret,
    method: 'POST',
    target: '/orders',
    timestamp,
    client,
    key,
    body,
  } as const
  return send(`${node.url}/orders`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      'X-Client-Id': client,
      'Idempotency-Key': key,
      'X-Signature': sign(signed),
    },
    body,
  })
}

/** Runs a `clients` command and returns its JSON. */
async function clients(...args: string[]) {
  const { code, stdout, stderr } = await oncekey(['clients', ...args, '--json'], settings)
  assert.equal(code, 0, stderr)
  return JSON.parse(stdout)
}

test('a client added by the command can sign at once on every node, and again after a restart', async () => {
  const { secret } = await clients('add', 'added')
  assert.match(secret, /^oks_[A-Za-z0-9_-]{43}$/)
  for (const node of nodes) assert.equal((await order(node, 'added', secret)).status, 201)
  const [, second] = nodes
  await second?.stop()
  await second?.restart()
  assert.equal((await order(second, 'added', secret)).status, 201)
  assert.equal((await order(second, 'added', `${secret}x`)).status, 401)
})

test('a row with the name of callers without credentials is ignored', async (t) => {
  const database = openDatabase(created.url)
  t.after(() => database.close())
  const { secret } = await add(database, 'anonymous', KEY.key)
  // When another row is in force, the table was read again.
  const later = await add(database, 'after-anonymous', KEY.key)
  const [node] = nodes
  assert.equal((await order(node, 'after-anonymous', later.secret)).status, 201)
  const reply = await order(node, 'anonymous', secret)
  assert.equal(`${reply.status} ${reply.code}`, '401 signature_invalid')
})

test('rotations under load fail no request: the new secret works as soon as it exists, the old one until its end', async (t) => {
  const database = openDatabase(created.url)
  t.after(() => database.close())
  let current = await add(database, 'busy', KEY.key)
  let previous = current
  let over = false
  let sent = 0
  const refused: string[] = []
  /** The number of requests in flight for each secret. */
  const inFlight = new Map<string, number>()
  // Half of the senders use each new secret at once, the others continue with the previous one.
  const senders = Array.from({ length: 16 }, async (_, i) => {
    while (!over) {
      const { secret } = i % 2 === 0 ? current : previous
      inFlight.set(secret, (inFlight.get(secret) ?? 0) + 1)
      const reply = await order(nodes[(i >> 1) % 2], 'busy', secret)
      inFlight.set(secret, (inFlight.get(secret) ?? 0) - 1)
      sent++
      if (reply.status !== 201) refused.push(`${reply.status} ${reply.code}`)
    }
  })
  for (let turn = 0; turn < 12; turn++) {
    await sleep(150)
    const retired = previous
    const made = await rotate(database, 'busy', KEY.key, HOUR_MS)
    // In the same turn of the event loop as the response of the database: no node has the notification yet.
    ;[previous, current] = [current, made]
    if (retired === previous) continue
    while ((inFlight.get(retired.secret) ?? 0) > 0) await sleep(1)
    await revokeClient(database, 'busy', retired.secretId, changeNote())
  }
  over = true
  await Promise.all(senders)
  assert.deepEqual(refused, [])
  assert.ok(sent > 500, `only ${sent} requests`)
  t.diagnostic(`${sent} requests over 12 rotations, none refused`)
})

test('responses to a retiring secret have its end; afterwards it is refused', async () => {
  const old = await clients('add', 'retiring')
  const { secret, retiring } = await clients('rotate', 'retiring', '--overlap', '4s')
  const endMs = Date.parse(retiring[0].expires_at)
  assert.equal(retiring[0].secret_id, old.secret_id)
  const key = newIdempotencyKey()
  for (const node of [...nodes, nodes[0]]) {
    const reply = await order(node, 'retiring', old.secret, key)
    assert.equal(reply.status, 201)
    assert.equal(reply.headers['x-secret-expires'], new Date(endMs).toISOString())
    const fresh = await order(node, 'retiring', secret)
    assert.deepEqual([fresh.status, fresh.headers['x-secret-expires']], [201, undefined])
  }
  await sleep(endMs - Date.now() + 100)
  for (const node of nodes) {
    assert.equal((await order(node, 'retiring', old.secret)).code, 'signature_invalid')
    assert.equal((await order(node, 'retiring', secret)).status, 201)
  }
})

test('a revocation is in force on every node within a second', async (t) => {
  const { secret } = await clients('add', 'revoked')
  for (const node of nodes) assert.equal((await order(node, 'revoked', secret)).status, 201)
  await clients('revoke', 'revoked')
  const fromMs = performance.now()
  for (const node of nodes) {
    while ((await order(node, 'revoked', secret)).status !== 401) {
      assert.ok(performance.now() - fromMs < 1_000, 'still accepted after a second')
    }
  }
  t.diagnostic(`${Math.round(performance.now() - fromMs)} ms after the command`)
})

test('each node logs changes with ids of secrets and without secrets', async () => {
  const first = await clients('add', 'logged')
  const second = await clients('rotate', 'logged')
  await clients('revoke', 'logged', '--secret', first.secret_id)
  await clients('revoke', 'logged')
  await sleep(600)
  for (const node of nodes) {
    const lines = node
      .log()
      .split('\n')
      .filter(
        (line) => line.startsWith('{') && line.includes('"client":"logged"') && line.includes('secrets_'),
      )
      .map((line) => JSON.parse(line))
    assert.deepEqual(
      lines.map(({ msg }) => msg),
      ['client added', 'client changed', 'client changed', 'client revoked'],
    )
    assert.deepEqual(lines[1].secrets_added, [second.secret_id])
    assert.deepEqual(lines[1].secrets_retiring, [first.secret_id])
    assert.deepEqual(lines[2].secrets_gone, [first.secret_id])
    for (const text of ['oks_', first.secret, second.secret, KEY.text]) assert.ok(!node.log().includes(text))
  }
})

test('the min_scheme of a client applies to it', async () => {
  const { secret } = await clients('add', 'strict', '--min-scheme', 'rfc9421')
  for (const node of nodes) {
    const reply = await order(node, 'strict', secret)
    assert.deepEqual([reply.status, reply.code], [403, 'scheme_not_allowed'])
  }
})

test('without the right SECRETS_KEY a service does not start, and names the missing key', async () => {
  const other = newKey()
  const without = { ...settings, SECRETS_KEY: '', HMAC_SECRET: 'some secret of ours' }
  await assert.rejects(
    startService(without),
    /oncekey serve: SECRETS_KEY is not set: the database holds \d+ secrets/,
  )
  await assert.rejects(
    startService({ ...settings, SECRETS_KEY: other.text }),
    new RegExp(`SECRETS_KEY is not the key of .* it is key ${other.key.id}; .* under key ${KEY.key.id}`),
  )
})

test('SECRETS_KEY is changed without downtime: new and old, reseal, only new', async (t) => {
  const own = await createDatabase()
  const database = openDatabase(own.url)
  t.after(async () => {
    await database.close()
    await own.drop()
  })
  await migrate(database, SQL_DIRECTORY)
  const made = await add(database, 'kept', KEY.key)
  const next = newKey()
  const both = { ...settings, DATABASE_URL: own.url, SECRETS_KEY: next.text, SECRETS_KEY_OLD: KEY.text }
  const node = await startService(both)
  assert.equal((await order(node, 'kept', made.secret)).status, 201)
  const resealed = await oncekey(['clients', 'reseal'], both)
  assert.equal(resealed.stdout, `resealed 1 secrets under key ${next.key.id}\n`, resealed.stderr)
  assert.equal((await order(node, 'kept', made.secret)).status, 201)
  const { SECRETS_KEY_OLD: _, ...alone } = both
  const fresh = await startService(alone)
  assert.equal((await order(fresh, 'kept', made.secret)).status, 201)
  await Promise.all([node.stop(), fresh.stop()])
})

test('a client of the settings overrides one of the table, which is reported', async (t) => {
  const own = await createDatabase()
  const database = openDatabase(own.url)
  const directory = mkdtempSync(join(tmpdir(), 'oncekey-clients-'))
  t.after(async () => {
    await database.close()
    await own.drop()
    rmSync(directory, { recursive: true })
  })
  await migrate(database, SQL_DIRECTORY)
  const inTable = await add(database, 'twice', KEY.key)
  const file = join(directory, 'clients.json')
  writeFileSync(file, JSON.stringify({ twice: { secrets: ['a secret of the file'] } }))
  const node = await startService({ ...settings, DATABASE_URL: own.url, CLIENTS_FILE: file })
  assert.equal((await order(node, 'twice', 'a secret of the file')).status, 201)
  assert.equal((await order(node, 'twice', inTable.secret)).status, 401)
  writeFileSync(file, '{}')
  const untilMs = Date.now() + 20_000
  while ((await order(node, 'twice', inTable.secret)).status !== 201) assert.ok(Date.now() < untilMs)
  await node.stop()
  assert.match(node.log(), /"clients":\["twice"\],"msg":"clients of the settings are in the table too/)
})

test('limits of one client are in force on every node within seconds, are shown, and can be removed', async () => {
  const { secret } = await clients('add', 'limited')
  const statuses = async (node: Service, times: number) => {
    const found: number[] = []
    for (let i = 0; i < times; i++) found.push((await order(node, 'limited', secret)).status)
    return found.join()
  }
  assert.equal((await clients('limit', 'limited', 'client=2/1h')).limits, 'client=2/1h')
  for (const node of nodes) {
    // The first requests may be handled before the node has read the table again.
    await until('the limits of the client', async () => (await order(node, 'limited', secret)).status === 429)
    const refused = await order(node, 'limited', secret)
    assert.equal(refused.headers['ratelimit-policy'], '"client";q=2;w=3600')
    assert.equal((await order(node, 'added', (await clients('rotate', 'added')).secret)).status, 201)
  }
  const [node] = nodes
  assert.ok(node)
  const timestamp = Math.floor(Date.now() / 1000)
  const target = '/api/v1/rate-limits'
  const signed = {
    scheme: 'v1',
    secret,
    method: 'GET',
    target,
    timestamp,
    client: 'limited',
    key: '',
    body: '',
  } as const
  const shown = await send(node.url + target, {
    headers: { 'X-Client-Id': 'limited', 'X-Signature': sign(signed) },
  })
  assert.match(
    shown.body.toString(),
    /"name":"client","scope":"client","algorithm":"sliding-window","quota":2,/,
  )
  await until('the change is in the log', () =>
    /"limits":"client=2\/1h".*"msg":"client changed"/.test(node.log()),
  )
  const [listed] = (await clients('list')).filter((one: { client: string }) => one.client === 'limited')
  assert.equal(listed.limits, 'client=2/1h')
  assert.equal((await clients('limit', 'limited', 'default')).limits, null)
  for (const one of nodes) {
    await until('no limits', async () => (await order(one, 'limited', secret)).status === 201)
    assert.equal(await statuses(one, 4), '201,201,201,201')
  }
})

test('the command refuses invalid limits, and limits of a client that is not in the database', async () => {
  for (const [args, says] of [
    [['limited', 'client=many/1h'], /quota is a whole number/],
    [['limited', 'ip=1/1s'], /have the scopes client and endpoint/],
    [['limited'], /limit takes NAME and LIMITS/],
    [['nobody', 'client=1/1s'], /there is no client nobody/],
  ] as const) {
    const { code, stderr } = await oncekey(['clients', 'limit', ...args], settings)
    assert.equal(code, 1)
    assert.match(stderr, says)
  }
})
