/*
 * npm run bench:growth: what requests cost with millions of orders and live keys, against a database and a Redis
 * with few. Starts everything itself, on one disk: about 1.2 GB for a million orders with half a million keys.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import postgres from 'postgres'
import { openDatabase } from '../../internal/database/database.ts'
import { migrate } from '../../internal/database/migrate.ts'
import { SQL_DIRECTORY } from '../../src/package-root.ts'
import { compare } from '../growth/compare.ts'
import { fillKeys, fillOrders } from '../growth/fill-postgres.ts'
import { fillRedis } from '../growth/fill-redis.ts'
import { CLIENTS, clientOf } from '../growth/filled-order.ts'
import { GROWTH_PATHS, SECRET } from '../growth/growth-paths.ts'
import { type Growth, report } from '../growth/growth-report.ts'
import { openSides } from '../growth/sides.ts'
import { sweepingBeside, sweepingSpeed } from '../growth/sweeping.ts'
import { tableSizes } from '../growth/table-sizes.ts'
import { createDatabase, startPostgres, startRedis } from '../support/servers.ts'

/** More than a process keeps responses of in its own memory, and nothing to a database. */
const FEW = 200_000

const HELP = `Usage: npm run bench:growth -- [OPTIONS]

Fills orders and live keys into a PostgreSQL (fsync on) and a Redis of its own and measures fresh, replay, lookup
and list against ${FEW} of each, in short alternating rounds over 64 connections, once with the keys in Redis and once
in PostgreSQL; then the sweeping, and the sizes. Ten million orders take about a quarter of an hour and 15 GB under /tmp.

  --orders N      (10000000)
  --keys N        live keys, the newest orders' (half of the orders)
  --over N        keys whose time is over, for the sweeping (200000)
  --rounds N      of each side on each path (9)
  --round-ms N    (700)
  --buffers SIZE  shared_buffers of the PostgreSQL (1GB); what is not in there is read from the cache of the system
  --out FILE      the report goes there, too
  --help          this
`

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', short: 'h' },
    orders: { type: 'string', default: '10000000' },
    keys: { type: 'string' },
    over: { type: 'string', default: '200000' },
    rounds: { type: 'string', default: '9' },
    'round-ms': { type: 'string', default: '700' },
    buffers: { type: 'string', default: '1GB' },
    out: { type: 'string' },
  },
})
if (values.help === true) {
  process.stdout.write(HELP)
  process.exit(0)
}
const orders = whole('--orders', values.orders)
const keys = values.keys === undefined ? Math.floor(orders / 2) : whole('--keys', values.keys)
const [over, rounds, roundMs] = [
  whole('--over', values.over),
  whole('--rounds', values.rounds),
  whole('--round-ms', values['round-ms']),
]
const { buffers } = values
if (!/^[1-9]\d{0,5}(MB|GB)$/.test(buffers))
  throw new Error(`--buffers ${buffers}: must be as in 512MB or 8GB`)
if (keys > orders) throw new Error('there is a live key for an order only')

const server = await startPostgres(['fsync = on', `shared_buffers = ${buffers}`, 'max_wal_size = 4GB'])
const [fullRedis, fewRedis] = [await startRedis(), await startRedis()]
const directory = mkdtempSync(join(tmpdir(), 'oncekey-growth-'))
process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
const clientsFile = join(directory, 'clients.json')
writeFileSync(
  clientsFile,
  JSON.stringify(Object.fromEntries(names().map((name) => [name, { secrets: [SECRET] }]))),
)

const [full, few] = [await createDatabase(server.url), await createDatabase(server.url)]
for (const { url } of [full, few]) {
  const database = openDatabase(url)
  await migrate(database, SQL_DIRECTORY)
  await database.close()
}
const sql = postgres(full.url, { max: 2, onnotice: () => {} })
const fillTimes: Record<string, number> = {}
const fewSql = postgres(few.url, { max: 2, onnotice: () => {} })
await timed('the few', FEW, async (onDone) => {
  await fillOrders(fewSql, FEW, onDone)
  await fillKeys(fewSql, { from: 0, to: FEW }, onDone)
  await fillRedis(fewRedis.url, 0, FEW, onDone)
})
const [memory] = await Promise.all([
  timed('keys in Redis', keys, (onDone) => fillRedis(fullRedis.url, orders - keys, orders, onDone)),
  timed('orders', orders, (onDone) => fillOrders(sql, orders, onDone)),
])
await timed('keys in PostgreSQL', keys, (onDone) =>
  fillKeys(sql, { from: orders - keys, to: orders }, onDone),
)
progress('vacuum, analyze, checkpoint')
for (const one of [sql, fewSql]) {
  await one.unsafe('VACUUM (ANALYZE) orders')
  await one.unsafe('VACUUM (ANALYZE) idempotency_keys')
}
await fewSql.end()
await sql.unsafe('CHECKPOINT')
const sizes = await tableSizes(sql, { orders, idempotency_keys: keys })

const measured = []
let sweeping: Growth['sweeping']
for (const store of ['redis', 'postgres'] as const) {
  const sides = await openSides({
    store,
    clientsFile,
    few: { database: few.url, redis: fewRedis.url, orders: FEW, keys: FEW },
    full: { database: full.url, redis: fullRedis.url, orders, keys },
  })
  for (const path of GROWTH_PATHS) {
    progress(`${path.name} with the keys in ${store}`)
    measured.push({ store, ...(await compare(path, sides.pair, rounds, roundMs)) })
  }
  if (store === 'postgres') {
    await timed('keys that are over', over, (onDone) =>
      fillKeys(sql, { from: 0, to: over, over: true }, onDone),
    )
    await sql.unsafe('ANALYZE idempotency_keys')
    const database = openDatabase(full.url)
    const [replay] = GROWTH_PATHS.filter(({ name }) => name === 'replay')
    const [, side] = sides.pair
    progress('sweeping')
    if (replay !== undefined) {
      const beside = await sweepingBeside(database, replay, side, roundMs)
      sweeping = { ...beside, alonePerS: await sweepingSpeed(database) }
    }
    await database.close()
  }
  await sides.close()
}
await sql.end()
await Promise.all([server.stop(), fullRedis.stop(), fewRedis.stop()])
const text = report({
  orders,
  keys,
  few: FEW,
  buffers,
  rounds,
  roundMs,
  fillTimes,
  measured,
  sizes,
  memory,
  sweeping,
})
if (values.out !== undefined) writeFileSync(values.out, text)
process.stdout.write(text)

function names(): string[] {
  return Array.from({ length: CLIENTS }, (_, n) => clientOf(n))
}

async function timed<T>(what: string, count: number, work: (onDone: (done: number) => void) => Promise<T>) {
  const startedMs = Date.now()
  let shownMs = 0
  const result = await work((done) => {
    if (Date.now() - shownMs < 5_000 && done < count) return
    shownMs = Date.now()
    progress(`${what}: ${done} of ${count}`)
  })
  fillTimes[what] = (Date.now() - startedMs) / 1_000
  return result
}

function progress(text: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`)
}

function whole(option: string, text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new Error(`${option} ${text}: must be a whole number, at least 1`)
  return Number(text)
}
