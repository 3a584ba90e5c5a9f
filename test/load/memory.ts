/*
 * npm run test:memory: the memory of the service under 150,000 requests, half of them replays, over 32 connections,
 * with Redis and PostgreSQL behind it. Exit code 1 if it goes beyond 160 MiB, or is not flat after the first 100,000.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { newKey, orderBody, postOrder } from '../support/order-client.ts'
import { startPostgres, startRedis } from '../support/servers.ts'
import { startService } from '../support/service.ts'

const WARM_REQUESTS = 100_000
const MORE_REQUESTS = 50_000
const CONNECTIONS = 32
/** 16 of them for the responses that are kept for replays. */
const MAX_MIB = 160
const MAX_GROWTH_MIB = 10
const SAMPLE_EVERY = 1_000
const REPORT_EVERY = 10_000
/** A level is the median of this many samples: the garbage collector makes single ones go up and down. */
const LEVEL_OF = 10
const DEADLINE_MS = 600_000
/** Of these, replays choose. */
const REMEMBERED = 5_000

const startedMs = Date.now()
const [redis, database] = await Promise.all([startRedis(), startPostgres()])
const service = await startService({
  DATABASE_URL: database.url,
  REDIS_URL: redis.url,
  RATE_LIMITS: 'none',
  LOG_FILE: '/dev/null',
})
const samples: number[] = []
const keys: string[] = []
let sent = 0
let placed = 0
const faults: string[] = []

await load(WARM_REQUESTS)
const warm = level()
await load(WARM_REQUESTS + MORE_REQUESTS)
const end = level()
const peak = Math.max(...samples)
await service.stop()
await Promise.all([redis.stop(), database.stop()])

if (peak > MAX_MIB) faults.push(`it took up to ${mib(peak)}, more than ${MAX_MIB} MiB`)
if (end - warm > MAX_GROWTH_MIB) faults.push(`it grew by ${mib(end - warm)} when it should have been flat`)
console.log(
  `resident memory: ${mib(warm)} after ${WARM_REQUESTS} requests, ${mib(end)} after ${sent}, ${mib(peak)} at most`,
)
for (const fault of faults) console.error(`not ok: ${fault}`)
process.exit(faults.length === 0 ? 0 : 1)

async function load(until: number): Promise<void> {
  await Promise.all(Array.from({ length: CONNECTIONS }, () => client(until)))
}

async function client(until: number): Promise<void> {
  while (sent < until) {
    const n = sent++
    const fresh = n % 2 === 0 || keys.length === 0
    const key = fresh ? newKey() : (keys[Math.floor(Math.random() * keys.length)] ?? '')
    const reply = await postOrder(service.url, key, orderBody())
    const replayed = reply.headers['idempotent-replayed'] === 'true'
    if (reply.status !== 201 || replayed === fresh) {
      throw new Error(`request ${n} got ${reply.status} ${reply.code}, replayed: ${replayed}`)
    }
    if (fresh) keys[placed++ % REMEMBERED] = key
    if (n % SAMPLE_EVERY === 0) samples.push(residentMib(service.pid))
    if (n % REPORT_EVERY === 0) report(n)
    if (Date.now() - startedMs > DEADLINE_MS) throw new Error(`not done after ${DEADLINE_MS / 1000} s`)
  }
}

function report(n: number): void {
  const seconds = (Date.now() - startedMs) / 1000
  console.log(`${n} requests, ${Math.round(seconds)} s: ${mib(samples.at(-1) ?? Number.NaN)}`)
}

function level(): number {
  const recent = samples.slice(-LEVEL_OF).sort((a, b) => a - b)
  return recent[Math.floor(recent.length / 2)] ?? Number.NaN
}

function mib(value: number): string {
  return `${value.toFixed(1)} MiB`
}

function residentMib(pid: number): number {
  return kibibytes(pid) / 1024
}

function kibibytes(pid: number): number {
  if (process.platform === 'linux') {
    const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    return Number(kib)
  }
  return Number(spawnSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' }).stdout)
}
