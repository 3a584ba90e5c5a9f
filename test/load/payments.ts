/*
 * npm run test:payments [KEYS]: 1,000 payments at three services on one PostgreSQL and one Redis, with a service killed
 * every four seconds and the payment gateway every ten. The gateway does not deduplicate, and answers badly three times
 * in ten. Exit code 1 unless each key was charged at most once, every charge has its settled payment and every
 * completed payment its charge, all answers to a key are the same, and the audit trail has each outcome once.
 */
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import {
  gatewayKey,
  newPaymentKey,
  paymentBody,
  payPatiently,
  postPayment,
} from '../support/payment-client.ts'
import { createDatabase, freePort, startRedis } from '../support/servers.ts'
import { type Service, startService } from '../support/service.ts'

const KEYS = Number(process.argv[2] ?? 1_000)
const PARTNERS = 24
const HERD = 100
const SERVICES = 3
const KILL_SERVICE_EVERY_MS = 4_000
const KILL_GATEWAY_EVERY_MS = 10_000
/** Of the partners so many send once and never come back: what they have begun is the completer's. */
const LEAVING = 0.05
const DEADLINE_MS = 180_000
/** For what is left open after the last answer: the lease of a killed service, then the pauses of the completer. */
const QUIET_MS = 60_000
const REPORT_EVERY_MS = 10_000

const startedMs = Date.now()
const seconds = () => Math.round((Date.now() - startedMs) / 1000)
const directory = mkdtempSync(join(tmpdir(), 'oncekey-payments-'))
const ledgerFile = join(directory, 'ledger')
const gatewayPort = await freePort()
let gateway = await startGateway()
process.once('exit', () => gateway.kill('SIGKILL'))
const [redis, database] = await Promise.all([startRedis(), createDatabase()])
const settings = {
  ...{ DATABASE_URL: database.url, REDIS_URL: redis.url, RATE_LIMITS: 'none', LOG_FILE: '/dev/null' },
  ...{ GATEWAY_URL: `http://127.0.0.1:${gatewayPort}`, GATEWAY_TIMEOUT: '1s', IDEMPOTENCY_LEASE: '1s' },
}
const services = await Promise.all(Array.from({ length: SERVICES }, () => startService(settings)))
const urls = services.map(({ url }) => url)

const answers = new Map<string, Buffer>()
const left = new Set<string>()
const met = new Map<string, number>()
const faults: string[] = []
const kills = { service: 0, gateway: 0 }
let peace = false
/** Keys of partners that stay until they have their answer. */
let issued = 0

await herd()
const chaos = [killServices(), killGateway()]
const reporter = setInterval(report, REPORT_EVERY_MS)
await Promise.all(Array.from({ length: PARTNERS }, partner))
peace = true
await Promise.all(chaos)
clearInterval(reporter)
await check()
await Promise.all(services.map((service) => service.kill()))
gateway.kill('SIGKILL')
await Promise.all([redis.stop(), database.drop()])
rmSync(directory, { recursive: true, force: true })
for (const fault of faults) console.error(`not ok: ${fault}`)
process.exit(faults.length === 0 ? 0 : 1)

async function startGateway() {
  const file = fileURLToPath(new URL('../support/gateway-process.ts', import.meta.url))
  const child = spawn(process.execPath, ['--import', 'tsx', file, String(gatewayPort), ledgerFile], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  return child
}

/** 100 copies of one payment over all services. */
async function herd(): Promise<void> {
  const [key, body] = [newPaymentKey(), paymentBody()]
  const copies = await Promise.all(
    Array.from({ length: HERD }, (_, n) => payPatiently([urls[n % SERVICES] ?? ''], key, body)),
  )
  for (const { reply } of copies) remember(key, reply.body)
  const charges = ledger().filter((one) => one.key === gatewayKey(key)).length
  console.log(`${HERD} copies of one payment at ${SERVICES} services: ${charges} charge`)
  if (charges !== 1) faults.push(`the herd was charged ${charges} times`)
}

async function partner(): Promise<void> {
  while (issued < KEYS) {
    if (Date.now() - startedMs > DEADLINE_MS) return
    const key = newPaymentKey()
    const body = paymentBody({ amount: randomInt(1, 1_000_000) / 100, currency: 'USD' })
    const from = randomInt(SERVICES)
    const order = urls.map((_, n) => urls[(from + n) % SERVICES] ?? '')
    if (Math.random() < LEAVING) {
      left.add(key)
      await postPayment(order[0] ?? '', key, body).then(
        (reply) => {
          if (reply.status === 200 || reply.status === 402) remember(key, reply.body)
        },
        () => {},
      )
      continue
    }
    issued++
    try {
      const { reply, before } = await payPatiently(order, key, body)
      for (const one of before) met.set(one, (met.get(one) ?? 0) + 1)
      remember(key, reply.body)
      const again = await payPatiently(order.reverse(), key, body)
      remember(key, again.reply.body)
    } catch (error) {
      faults.push(String(error))
    }
  }
}

function remember(key: string, body: Buffer): void {
  const known = answers.get(key)
  if (known !== undefined && !known.equals(body)) faults.push(`two answers for ${key}`)
  answers.set(key, body)
}

async function killServices(): Promise<void> {
  for (let n = 0; !peace; n++) {
    await sleep(KILL_SERVICE_EVERY_MS)
    const service: Service | undefined = services[n % SERVICES]
    if (service === undefined || peace) return
    await service.kill()
    kills.service++
    await service.restart()
  }
}

async function killGateway(): Promise<void> {
  while (!peace) {
    await sleep(KILL_GATEWAY_EVERY_MS)
    if (peace) return
    const gone = once(gateway, 'exit')
    gateway.kill('SIGKILL')
    await gone
    kills.gateway++
    await sleep(500)
    gateway = await startGateway()
  }
}

function ledger(): { key: string; id: string; status: string }[] {
  return readFileSync(ledgerFile, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [key = '', id = '', status = ''] = line.split(' ')
      return { key, id, status }
    })
}

function report(): void {
  console.log(
    `${seconds()} s: ${answers.size} answered, ${left.size} left alone, ${ledger().length} charges, ` +
      `${kills.service} services and ${kills.gateway} gateways killed`,
  )
}

async function check(): Promise<void> {
  const sql = postgres(database.url, { max: 1, onnotice: () => {} })
  const rowsOf = async () =>
    await sql`
    SELECT id, idempotency_key, gateway_key, state, charge_id, answer_body,
      (SELECT count(*)::int FROM audit_log WHERE client = p.client AND entry::json->>'transaction_id' = p.id::text
        AND event_type IN ('payment.completed', 'payment.declined', 'payment.recovered')) AS settlements
    FROM payments p`
  const quietMs = Date.now() + QUIET_MS
  const charges = ledger()
  const charged = new Map(charges.map((one) => [one.key, one]))
  let rows = await rowsOf()
  const open = () =>
    rows.filter(({ state, gateway_key }) => state === 'processing' && charged.has(String(gateway_key)))
  while (open().length > 0 && Date.now() < quietMs) {
    await sleep(1_000)
    rows = await rowsOf()
  }
  await sql.end()

  if (charges.length !== charged.size) faults.push(`${charges.length - charged.size} charges too many`)
  // And that of the herd.
  if (answers.size < KEYS + 1) faults.push(`only ${answers.size} keys were answered`)
  const byKey = new Map(rows.map((row) => [String(row.gateway_key), row]))
  for (const { key, id, status } of charges) {
    const row = byKey.get(key)
    if (row === undefined) faults.push(`the charge ${id} has no payment`)
    else if (row.state !== status || row.charge_id !== id)
      faults.push(`the charge ${id} is ${status}, its payment ${row.state}`)
  }
  for (const row of rows) {
    const settled = row.state === 'completed' || row.state === 'declined'
    if (settled && !charged.has(String(row.gateway_key)))
      faults.push(`${row.id} is ${row.state} without a charge`)
    if (row.settlements !== (settled ? 1 : 0))
      faults.push(`${row.id} is ${row.state} with ${row.settlements} entries`)
  }
  for (const [key, body] of answers) {
    const row = byKey.get(gatewayKey(key))
    if (!(row?.answer_body instanceof Buffer && row.answer_body.equals(body))) {
      faults.push(`the answer for ${key} is not that of its payment`)
    }
  }
  report()
  const said = [...met].sort(([, a], [, b]) => b - a).map(([what, count]) => `${count} x ${what}`)
  console.log(`on the way: ${said.join(', ') || 'nothing'}`)
  const states = new Map<string, number>()
  for (const { state } of rows) states.set(String(state), (states.get(String(state)) ?? 0) + 1)
  console.log(
    `${charged.size} keys charged, ${charges.length - charged.size} of them twice; payments: ` +
      [...states].map(([state, count]) => `${count} ${state}`).join(', '),
  )
}
