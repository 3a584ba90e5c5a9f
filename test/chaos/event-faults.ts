import { setTimeout as sleep } from 'node:timers/promises'
import type postgres from 'postgres'
import { seeded } from '../../src/tools/simulator/seeded.ts'
import { SHARE } from './far-faults.ts'
import {
  type FaultContext,
  type Hit,
  type Inject,
  needed,
  nodeOf,
  revive,
  startAgain,
} from './fault-context.ts'
import type { FaultKind } from './fault-kinds.ts'
import { monotonicMs } from './history.ts'
import type { InstalledNode } from './installation.ts'
import { insertLateOrder } from './late-commits.ts'
import { withPostgres } from './postgres-faults.ts'
import type { Held, Mood, Receivers } from './receivers.ts'
import type { PlannedFault } from './schedule.ts'
import { portsOf } from './socket-owner.ts'
import { clientsOfEvents } from './work-items.ts'

const NONE = {}
const IN_FLIGHT = 8
const LOOK_MS = 50
/** For events to become deliveries and to arrive, on a machine that is busy. */
const NOTICE_MS = 6_000
/** Its sender waits for it a while longer. */
const YOUNG_MS = 500
const LEFT_MS = 400
const ENABLED_MS = 60_000
/** What is repeated after the lease of a node that was killed. */
const REPEATS_MS = 8_000

const receiversOf = ({ installation }: FaultContext) => needed(installation.receivers, 'receivers')
const urlsOf = ({ installation }: FaultContext) => installation.nodes.map(({ service }) => service.url)

/** Whether it became true in that time. */
async function soon(isTrue: () => boolean | Promise<boolean>, ms: number): Promise<boolean> {
  const untilMs = performance.now() + ms
  for (;;) {
    if (await isTrue()) return true
    if (performance.now() > untilMs) return false
    await sleep(LOOK_MS)
  }
}

/** All receivers, or every second one. */
function chosen(receivers: Receivers, { roll }: PlannedFault) {
  if (roll < 0.3) return receivers.all
  const rest = Math.floor(roll * 100) % 2
  return receivers.all.filter(({ endpoint }) => endpoint.n % 2 === rest)
}

/** Until it is over, and for longer while no webhook has come. */
const mood =
  (name: Mood): Inject =>
  async (fault, faultContext) => {
    const all = chosen(receiversOf(faultContext), fault)
    const count = () => all.reduce((sum, { struck }) => sum + struck, 0)
    const before = count()
    for (const one of all) one.mood = name
    try {
      await faultContext.event('fire', { node: fault.node, count: IN_FLIGHT })
      await sleep(fault.forMs)
      await soon(() => count() > before, NOTICE_MS)
    } finally {
      for (const one of all) one.mood = 'well'
    }
    return { hit: count() > before, detail: `${count() - before} webhooks at ${all.length} receivers` }
  }

const away: Inject = async (fault, faultContext) => {
  const receivers = receiversOf(faultContext)
  const all = chosen(receivers, fault)
  const ids = all.map(({ endpoint }) => endpoint.id).join(',')
  let refused = 0
  const look = async () => {
    const rows = await withPostgres(
      faultContext,
      (sql) =>
        sql`SELECT 1 FROM webhook_deliveries WHERE endpoint::text = ANY (string_to_array(${ids}, ',')) AND error LIKE '%ECONNREFUSED%'`,
    ).catch(() => [])
    refused = Math.max(refused, rows.length)
    return refused > 0
  }
  for (const one of all) receivers.stopListening(one)
  try {
    await faultContext.event('fire', { node: fault.node, count: IN_FLIGHT })
    await sleep(fault.forMs)
    await soon(look, NOTICE_MS)
  } finally {
    for (const one of all) await receivers.listenAgain(one)
  }
  return { hit: refused > 0, detail: `${refused} deliveries were refused by ${all.length} receivers` }
}

/** 410 disables the endpoint. Its operator enables it later, mostly with all that had failed by then. */
const gone: Inject = async (fault, faultContext) => {
  const { all } = receiversOf(faultContext)
  const one = needed(all[Math.floor(fault.roll * all.length)], 'receiver')
  const isDisabled = async () => {
    const rows = await withPostgres(
      faultContext,
      (sql) => sql`SELECT 1 FROM webhook_endpoints WHERE id = ${one.endpoint.id} AND state = 'disabled'`,
    ).catch(() => [])
    return rows.length > 0
  }
  one.mood = '410'
  await faultContext.event('fire', { node: fault.node, count: IN_FLIGHT })
  const hit = await soon(isDisabled, NOTICE_MS)
  one.mood = 'well'
  await sleep(fault.forMs)
  const withFailed = fault.roll * 10 - Math.floor(fault.roll * 10) < 0.75
  const { id, client } = one.endpoint
  const replay = async (sql: postgres.Sql) => {
    const [row] = await sql`
      SELECT min(at) AS at FROM webhook_deliveries WHERE endpoint = ${id} AND error = 'the endpoint was disabled'`
    const since = withFailed && row?.at instanceof Date ? row.at : null
    await sql`SELECT oncekey_webhook_replay(${client.name}, ${id}, ${since})`
    return true
  }
  const enabled = await soon(() => withPostgres(faultContext, replay).catch(() => false), ENABLED_MS)
  const how = withFailed ? 'all that had failed' : 'what waited'
  return { hit: hit && enabled, detail: `endpoint ${one.endpoint.n} was disabled; then ${how} was sent` }
}

const killWhileSending: Inject = (fault, faultContext) =>
  withHeld(fault, faultContext, async (node, receivers, held) => {
    const at = monotonicMs()
    await node.service.kill()
    const left = () => held.filter(({ leftAt }) => leftAt !== undefined && leftAt >= at).length
    await soon(() => left() > 0, LEFT_MS)
    receivers.release()
    return { hit: left() > 0, detail: `${left()} webhooks were cut off with node ${node.n}` }
  })

const killAfterSending: Inject = (fault, faultContext) =>
  withHeld(fault, faultContext, async (node, receivers, held) => {
    needed(node.postgres, 'PostgreSQL').apply({ blackhole: { directions: 'up', afterBytes: 0 } })
    for (const one of receivers.all) one.mood = 'well'
    receivers.release()
    const before = held.map((one) => receivers.arrivalsOf(one))
    await sleep(20 + fault.roll * 150)
    await node.service.kill()
    node.postgres?.apply(NONE)
    const repeated = () => held.filter((one, n) => receivers.arrivalsOf(one) > (before[n] ?? 0)).length
    await soon(() => repeated() > 0, REPEATS_MS)
    const detail = `${repeated()} of ${held.length} webhooks came once more after their 200`
    return { hit: repeated() > 0, detail }
  })

/** When webhooks of the node are at receivers that do not respond yet; it is started again afterwards. */
async function withHeld(
  fault: PlannedFault,
  faultContext: FaultContext,
  strike: (node: InstalledNode, receivers: Receivers, held: readonly Held[]) => Promise<Hit>,
): Promise<Hit> {
  const node = nodeOf(faultContext, fault.node)
  await revive(node, faultContext)
  const receivers = receiversOf(faultContext)
  for (const one of receivers.all) one.mood = 'hold'
  try {
    await faultContext.event('fire', { node: fault.node, count: IN_FLIGHT })
    let held: readonly Held[] = []
    const hasSome = () => {
      const young = receivers.held.filter(({ at }) => monotonicMs() - at < YOUNG_MS)
      const own = portsOf(
        node.service.pid,
        young.map(({ port }) => port),
      )
      held = young.filter(({ port }) => own.has(port))
      return held.length > 0
    }
    if (!(await soon(hasSome, NOTICE_MS))) return { hit: false, detail: `node ${node.n} sent nothing` }
    return await strike(node, receivers, held)
  } finally {
    for (const one of receivers.all) one.mood = 'well'
    receivers.release()
    await sleep(fault.forMs)
    await startIfKilled(node)
  }
}

async function startIfKilled(node: InstalledNode): Promise<void> {
  try {
    process.kill(node.service.pid, 0)
  } catch {
    await startAgain(node)
  }
}

class RolledBack extends Error {}

const commitLate: Inject = async (fault, faultContext) =>
  await withPostgres(faultContext, async (sql) => {
    const clients = clientsOfEvents(faultContext.installation.plan)
    const client = clients[Math.floor(fault.roll * clients.length)]?.name ?? ''
    const commits = fault.roll * 100 - Math.floor(fault.roll * 100) < 0.7
    let passed = 0
    await sql
      .begin(async (late) => {
        const position = await insertLateOrder(late, client)
        await faultContext.event('fire', { node: fault.node, count: IN_FLIGHT })
        await sleep(fault.forMs)
        // By another session: what has been committed at later positions meanwhile.
        await soon(async () => {
          const [row] = await sql`
            SELECT count(*)::integer AS count FROM orders WHERE client = ${client} AND position > ${position}::bigint`
          passed = Number(row?.count)
          return passed > 0
        }, NOTICE_MS)
        if (!commits) throw new RolledBack()
      })
      .catch((error: unknown) => {
        if (!(error instanceof RolledBack)) throw error
      })
    const detail = `${passed} orders of ${client} were committed before it was ${commits ? 'committed' : 'rolled back'}`
    return { hit: passed > 0, detail }
  })

const OVERLAPS_S = [0, 1, 3] as const

const rotated: Inject = async (fault, faultContext) => {
  const { all } = receiversOf(faultContext)
  const one = needed(all[Math.floor(fault.roll * all.length)], 'receiver')
  const overlapS = OVERLAPS_S[fault.n % OVERLAPS_S.length] ?? 0
  const tries = await one.endpoint.rotate(urlsOf(faultContext), fault.node, overlapS)
  return { hit: true, detail: `endpoint ${one.endpoint.n}, overlap ${overlapS} s, ${tries} tries` }
}

/**
 * What a day without a response makes of a payment: its completer writes it down so. Right after that the gateway responds
 * again, so that the second event follows the first at once.
 */
const paymentUnknown: Inject = async (fault, faultContext) => {
  const far = needed(faultContext.installation.gateway, 'gateway')
  const usual = far.mood
  const random = seeded(`${fault.n}/${fault.roll}`)
  // More in a row would open the circuit breaker.
  far.mood = () => (random() < SHARE ? 'stall' : usual())
  far.find('fail')
  let count = 0
  try {
    await faultContext.event('fire', { node: fault.node, count: IN_FLIGHT })
    const look = async () => {
      const rows = await withPostgres(
        faultContext,
        (sql) => sql`
          SELECT oncekey_payment_leave_open(client, id, attempt, 'unknown', 0, 'no response for a day', 'completer', NULL)
            AS done
          FROM payments WHERE state = 'processing' AND lease_until <= clock_timestamp()`,
      ).catch(() => [])
      count += rows.filter(({ done }) => done === true).length
      return count > 0
    }
    await soon(look, fault.forMs + NOTICE_MS)
  } finally {
    far.mood = usual
    far.find('answer')
  }
  return { hit: count > 0, detail: `${count} payments became unknown` }
}

export const EVENT_FAULTS = {
  'receiver-stall': mood('stall'),
  'receiver-reset': mood('reset'),
  'receiver-500': mood('500'),
  'receiver-gone': gone,
  'receiver-redirect': mood('redirect'),
  'receiver-lies': mood('lies'),
  'receiver-not-http': mood('not-http'),
  'receiver-away': away,
  'kill-while-sending': killWhileSending,
  'kill-after-sending': killAfterSending,
  'commit-late': commitLate,
  'secret-rotated': rotated,
  'payment-unknown': paymentUnknown,
} as const satisfies Partial<Record<FaultKind, Inject>>
