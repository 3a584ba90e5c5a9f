import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { z } from 'zod'
import type { Order } from '../../src/client.ts'
import { readOrdersAt } from '../support/check-orders.ts'
import { respond, type ScriptedServer, type Step, scriptedServer } from '../support/scripted-server.ts'
import { createDatabase } from '../support/servers.ts'
import { startService } from '../support/service.ts'

const PROGRAM = fileURLToPath(new URL('../../src/oncekey.js', import.meta.url))
const database = await createDatabase()
const settings = { DATABASE_URL: database.url, LOG_LEVEL: 'warn' }
const service = await startService({ ...settings, RATE_LIMITS: 'none' })
const directory = mkdtempSync(join(tmpdir(), 'oncekey-simulate-'))
after(async () => {
  await service.stop()
  await database.drop()
  rmSync(directory, { recursive: true })
})

interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

function simulate(url: string, args: string[] = [], env: Record<string, string> = {}): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const { PATH = '', HOME = '' } = process.env
    const child = spawn(process.execPath, [PROGRAM, 'simulate', '--url', url, ...args], {
      env: { PATH, HOME, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const ended: Ended = { code: null, stdout: '', stderr: '' }
    child.stdout.on('data', (chunk) => (ended.stdout += chunk))
    child.stderr.on('data', (chunk) => (ended.stderr += chunk))
    child.once('error', reject).once('close', (code) => resolve({ ...ended, code }))
  })
}

const count = z.number().int().nonnegative()
const row = z.object({
  client: z.string(),
  requests: count,
  sent: count,
  fresh: count,
  replayed: count,
  inProgress: count,
  limited: count,
  lost: count,
  failed: count,
  retries: count,
  gaveUp: count,
  p50Ms: z.number().nullable(),
  p99Ms: z.number().nullable(),
})
const summary = z.object({
  ok: z.boolean(),
  clients: z.array(row),
  total: row,
  check: z.object({ keys: count, resent: count, orders: count, open: z.array(z.string()) }),
  violations: z.array(z.object({ key: z.string(), what: z.string(), detail: z.string() })),
})
const parse = ({ stdout }: Ended) => summary.parse(JSON.parse(stdout))

test('against the service every key takes effect once, and the numbers add up', async () => {
  const plot = join(directory, 'run.svg')
  const args = '--clients 5 --requests 6 --failure 0.4 --duplicates 0.4 --seed sum-1'.split(' ')
  const ended = await simulate(service.url, [...args, '--json', '--plot', plot])
  assert.equal(ended.code, 0, ended.stderr)
  const { ok, clients, total, check, violations } = parse(ended)
  assert.deepEqual(
    { ok, violations, check },
    {
      ok: true,
      violations: [],
      check: { keys: 30, resent: 30, orders: 30, open: [] },
    },
  )
  assert.deepEqual(
    clients.map(({ client, requests }) => [client, requests]),
    ['A', 'B', 'C', 'D', 'E'].map((name) => [name, 6]),
  )
  for (const one of [...clients, total]) {
    const { sent, fresh, replayed, inProgress, limited, lost, failed, retries } = one
    assert.equal(sent, fresh + replayed + inProgress + limited + lost + failed, one.client)
    assert.ok(fresh <= one.requests && retries < sent)
    assert.equal(failed + limited, 0)
  }
  for (const name of ['requests', 'sent', 'fresh', 'replayed', 'inProgress', 'lost', 'retries'] as const) {
    assert.equal(
      total[name],
      clients.reduce((sum, one) => sum + one[name], 0),
      name,
    )
  }
  // A run in which nothing was lost or sent twice proves nothing.
  assert.ok(total.lost >= 8 && total.replayed >= 8 && total.fresh >= 8, JSON.stringify(total))
  const rows = (await readOrdersAt(database.url)).filter((order) =>
    order.idempotency_key.startsWith('sim-sum-1-'),
  )
  assert.equal(rows.length, 30)
  const svg = readFileSync(plot, 'utf8')
  assert.equal([...svg.matchAll(/<title>/g)].length, total.sent, 'a mark for each attempt')
})

for (const api of ['pay', 'payments'] as const) {
  test(`with --api ${api} every key is paid once, and failures on purpose are retried`, async () => {
    const args = `--api ${api} --clients 4 --requests 5 --failure 0.3 --seed money-1 --json`.split(' ')
    const ended = await simulate(service.url, args)
    assert.equal(ended.code, 0, ended.stderr + ended.stdout)
    const { ok, total, check } = parse(ended)
    assert.deepEqual({ ok, check }, { ok: true, check: { keys: 20, resent: 20, orders: 20, open: [] } })
    assert.ok(total.lost > 0 && total.replayed > 0, JSON.stringify(total))
    // Of the demo, 3 of 10 requests to /pay.
    assert.equal(total.failed > 0, api === 'pay')
    const sql = postgres(database.url, { max: 1, onnotice: () => {} })
    const rows = await sql`
      SELECT idempotency_key FROM payments
      WHERE idempotency_key LIKE 'payment-sim-money-1-%' AND state = 'completed' AND scope LIKE ${`%/${api}`}`
    await sql.end()
    assert.equal(new Set(rows.map(({ idempotency_key }) => idempotency_key)).size, 20)
    assert.equal(rows.length, 20)
  })
}

for (const [fault, what] of [
  ['none', undefined],
  ['twice', 'response differed'],
  ['amount', 'payment differs'],
  ['shared', 'payment shared'],
] as const) {
  test(`payments are held to their promise: ${fault}`, async (t) => {
    const paid = new Map<string, unknown>()
    const input = z.object({ amount: z.number(), idempotency_key: z.string() })
    const { url } = await scriptedServer(t, (response, request) => {
      if (request.method !== 'POST') return respond(200, 'ok', {})(response, request)
      const { amount, idempotency_key: key } = input.parse(JSON.parse(request.body))
      const chosen = key.endsWith('-A-2')
      const known = paid.get(key)
      const payment = {
        transaction_id:
          chosen && fault === 'twice' ? `id-${Math.random()}` : fault === 'shared' ? 'id' : `id-${key}`,
        amount: chosen && fault === 'amount' ? amount + 1 : amount,
      }
      paid.set(key, payment)
      const given = fault === 'twice' && chosen ? payment : (known ?? payment)
      const headers = { 'Content-Type': 'application/json' }
      const all = known === undefined ? headers : { ...headers, 'Idempotent-Replayed': 'true' }
      return respond(200, JSON.stringify({ payment: given }), all)(response, request)
    })
    const args = ['--api', 'pay', '--requests', '2', '--failure', '0', '--clients', '1', '--seed', 'lie']
    const { code, stdout } = await simulate(url, args)
    assert.equal(code, what === undefined ? 0 : 1, stdout)
    if (what !== undefined)
      assert.match(stdout, new RegExp(`^BROKEN {2}payment-sim-lie-A-2: ${what}: .`, 'm'))
  })
}

test('the same seed again is the same orders: all of them are replays', async () => {
  const args = ['--clients', '2', '--requests', '5', '--seed', 'again-1', '--json']
  const first = parse(await simulate(service.url, args))
  assert.equal(first.ok, true)
  const { ok, total } = parse(await simulate(service.url, args))
  assert.deepEqual({ ok, fresh: total.fresh }, { ok: true, fresh: 0 })
})

test('a person gets a table, and the verdict last', async () => {
  const { code, stdout, stderr } = await simulate(service.url, [
    '--clients',
    '2',
    '--requests',
    '3',
    '--seed',
    'table-1',
  ])
  assert.equal(code, 0, stderr)
  assert.match(
    stdout,
    /^client +requests +sent +fresh +replayed +409 busy +429 +lost +failed +retries +p50 ms +p99 ms$/m,
  )
  for (const name of ['A', 'B', 'total']) assert.match(stdout, new RegExp(`^${name}( +[\\d.]+){11}$`, 'm'))
  assert.match(
    stdout,
    /\n6 of 6 keys sent again at the end; 6 orders in the list for 6 keys\nOK: .*--seed table-1\)\n$/,
  )
  assert.doesNotMatch(stdout + stderr, /(?!\n)\p{Cc}/u, 'no control characters outside of a terminal')
})

test('a rate limit is waited for, and nothing is lost by it', async () => {
  const limited = await startService({ ...settings, RATE_LIMITS: 'client=8/1s' })
  try {
    const args = ['--clients', '3', '--requests', '3', '--seed', 'limit-1', '--json']
    const ended = await simulate(limited.url, args)
    assert.equal(ended.code, 0, ended.stderr + ended.stdout)
    const { ok, total } = parse(ended)
    assert.ok(ok && total.limited > 0, JSON.stringify(total))
  } finally {
    await limited.stop()
  }
})

test('--duration ends a run, whatever is left', async () => {
  const args = ['--requests', '1000', '--rate', '20', '--duration', '1s', '--json']
  const ended = await simulate(service.url, args)
  assert.equal(ended.code, 0, ended.stderr)
  const { total, check } = parse(ended)
  assert.ok(total.requests >= 5 && total.requests <= 22, `${total.requests} requests in 1 s at 20 a second`)
  assert.equal(check.keys, total.requests)
})

test('a wrong secret, from the environment too, and no service are said in one line', async () => {
  const wrong = await simulate(service.url, [], { ONCEKEY_SECRET: 'wrong' })
  assert.equal(wrong.code, 1)
  assert.match(wrong.stderr, /^oncekey simulate: .*401 signature_invalid.*--secret/m)
  const nowhere = await simulate('http://127.0.0.1:9')
  assert.equal(nowhere.code, 1)
  assert.match(nowhere.stderr, /^oncekey simulate: --url http:\/\/127\.0\.0\.1:9: [^\n]*\n$/)
  const unknown = await simulate(service.url, ['--nope'])
  assert.equal(unknown.code, 1)
  assert.match(unknown.stderr, /^oncekey simulate: [^\n]*'--nope'[^\n]*\n$/)
})

/** A service of one file that keeps its promise, but for what `fault` does to the key that ends in A-2. */
async function lyingService(
  t: TestContext,
  fault: 'none' | 'twice' | 'bytes' | 'flag' | 'forgets' | 'amount',
): Promise<ScriptedServer> {
  const input = z.object({ user_id: z.string(), item: z.string(), amount: z.number() })
  const orders: Order[] = []
  const json = (status: number, value: unknown, headers: Record<string, string> = {}, space = 0) =>
    respond(status, JSON.stringify(value, null, space), { 'Content-Type': 'application/json', ...headers })
  const step: Step = (response, request) => {
    const key = String(request.headers['idempotency-key'] ?? '')
    const chosen = key.endsWith('-A-2')
    if (request.method !== 'POST') {
      const listed = orders
        .filter((order) => !(fault === 'forgets' && order.idempotency_key.endsWith('-A-2')))
        .map((order) =>
          fault === 'amount' && order.idempotency_key.endsWith('-A-2') ? { ...order, amount: 1e6 } : order,
        )
      return json(200, { orders: listed, next_cursor: null })(response, request)
    }
    const known = orders.find((order) => order.idempotency_key === key)
    if (known !== undefined && !(fault === 'twice' && chosen)) {
      const replayed: Record<string, string> =
        fault === 'flag' && chosen ? {} : { 'Idempotent-Replayed': 'true' }
      return json(201, { order: known }, replayed, fault === 'bytes' && chosen ? 1 : 0)(response, request)
    }
    const fields = input.parse(JSON.parse(request.body))
    const order = {
      id: `id-${orders.length}`,
      ...fields,
      idempotency_key: key,
      created_at: new Date().toISOString(),
    }
    orders.unshift(order)
    // The second order pretends to be a replay of the first.
    return json(
      201,
      { order },
      known === undefined ? {} : { 'Idempotent-Replayed': 'true' },
    )(response, request)
  }
  return await scriptedServer(t, step)
}

for (const [fault, what] of [
  ['twice', 'order made twice'],
  ['bytes', 'response differed'],
  ['flag', 'executed twice'],
  ['forgets', 'order missing'],
  ['amount', 'order differs'],
] as const) {
  test(`a service that breaks its promise is found out, with the key: ${what}`, async (t) => {
    const { url } = await lyingService(t, fault)
    const { code, stdout, stderr } = await simulate(url, [
      '--requests',
      '3',
      '--failure',
      '0',
      '--seed',
      'lie',
    ])
    assert.equal(code, 1, stdout + stderr)
    assert.match(stdout, new RegExp(`^BROKEN {2}sim-lie-A-2: ${what}: .`, 'm'))
    assert.match(stdout, /^BROKEN: 1 of 9 keys/m)
  })
}

test('the small service of these tests is fine without a fault', async (t) => {
  const { url } = await lyingService(t, 'none')
  const { code, stdout } = await simulate(url, ['--requests', '3', '--seed', 'lie'])
  assert.equal(code, 0, stdout)
})
