import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { stepAndBack, stepBackForGood } from './clock-steps.ts'
import {
  type FaultContext,
  fireUntil,
  type Inject,
  listenAgain,
  needed,
  oneWay,
  struck,
  wiresOf,
} from './fault-context.ts'
import type { FaultKind } from './fault-kinds.ts'
import { ROLE } from './installation.ts'

const NONE = {}
const IN_FLIGHT = 4
const TRIES = 5
const AGAIN_MS = 300

/** Types are not asked for: nothing takes the rejection of that question when its connection ends. */
const QUIET = { onnotice: () => {}, fetch_types: false }

const postgresOf = ({ installation }: FaultContext) => needed(installation.postgres, 'PostgreSQL')

/** As its operator, past the wires of the nodes. */
export async function withPostgres<T>(
  faultContext: FaultContext,
  work: (sql: postgres.Sql) => Promise<T>,
): Promise<T> {
  const sql = postgres(postgresOf(faultContext).url, { max: 2, ...QUIET })
  try {
    return await work(sql)
  } finally {
    await sql.end({ timeout: 1 })
  }
}

/** How often the server has logged this so far. */
function logged(faultContext: FaultContext, what: RegExp): number {
  return postgresOf(faultContext).log().match(what)?.length ?? 0
}

const terminate: Inject = async (_, faultContext) => {
  await faultContext.event('fire', { count: IN_FLIGHT })
  return await withPostgres(faultContext, async (sql) => {
    // Right after a restart there are none yet.
    for (let tries = 1; ; tries++) {
      const rows = await sql`
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'oncekey'`
      if (rows.length > 0 || tries === TRIES)
        return { hit: rows.length > 0, detail: `${rows.length} backends` }
      await sleep(AGAIN_MS)
    }
  })
}

const restart: Inject = async (_, faultContext) => {
  await faultContext.event('fire', { count: IN_FLIGHT })
  await postgresOf(faultContext).restart()
  return { hit: true, detail: 'stopped and started' }
}

/** Every process of it at once; what was committed is on the disk. */
const kill: Inject = async (fault, faultContext) => {
  const server = postgresOf(faultContext)
  await faultContext.event('fire', { node: fault.node, count: IN_FLIGHT })
  await sleep(fault.roll * 50)
  await server.kill()
  await sleep(fault.forMs)
  await server.restart()
  return { hit: true, detail: `away for ${fault.forMs} ms, its recovery and its start` }
}

const refuse: Inject = async (fault, faultContext) => {
  const wires = wiresOf(faultContext, 'postgres', fault)
  let open = 0
  for (const wire of wires) {
    open += wire.stats().open
    wire.stopListening()
    wire.cutAll('reset')
  }
  await faultContext.event('fire', { node: fault.node, count: IN_FLIGHT })
  await sleep(fault.forMs)
  for (const wire of wires) await listenAgain(wire)
  return { hit: open > 0, detail: `${open} connections were reset, and no new one was taken` }
}

const postgresReplyLost: Inject = async (fault, faultContext) => {
  const wires = wiresOf(faultContext, 'postgres', fault)
  const before = struck(wires, 'cut', 'reset')
  const faults = {
    cut: { directions: 'down', afterBytes: 0, reset: fault.roll * 10 - Math.floor(fault.roll * 10) < 0.5 },
  } as const
  for (const wire of wires) wire.apply(faults)
  await fireUntil(() => struck(wires, 'cut', 'reset') > before, fault, faultContext, IN_FLIGHT)
  for (const wire of wires) wire.apply(NONE)
  const lost = struck(wires, 'cut', 'reset') - before
  return { hit: lost > 0, detail: `${lost} connections were lost with a response on its way` }
}

const NO_SPACE = /No space left on device/g
/** Rows enough for a new page of a table or an index. */
const MANY = 20
/** For a server that has ended itself for want of room, and recovers. */
const RECOVERY_MS = 8_000

const diskFull: Inject = async (fault, faultContext) => {
  const disk = needed(faultContext.installation.disk, 'small disk')
  const before = logged(faultContext, NO_SPACE)
  await disk.fill()
  try {
    await fireUntil(() => logged(faultContext, NO_SPACE) > before, fault, faultContext, MANY)
  } finally {
    await disk.free()
  }
  const how = (await responsesAgain(faultContext)) ? 'it went on by itself' : 'it had ended and was started'
  const count = logged(faultContext, NO_SPACE) - before
  return { hit: count > 0, detail: `${count} writes found no room; ${how}` }
}

/** Whether the server responds by itself; otherwise it is started, as a supervisor does. */
async function responsesAgain(faultContext: FaultContext): Promise<boolean> {
  const untilMs = performance.now() + RECOVERY_MS
  while (performance.now() < untilMs) {
    try {
      await withPostgres(faultContext, async (sql) => void (await sql`SELECT 1`))
      return true
    } catch {
      await sleep(AGAIN_MS)
    }
  }
  await postgresOf(faultContext).restart()
  return false
}

const DENIED =
  /cannot execute \w+ in a read-only transaction|permission denied for (table|sequence|function)/g

/** By its settings, as with a replica, or by its rights, which have an error of their own. */
const role: Inject = async (fault, faultContext) =>
  await withPostgres(faultContext, async (sql) => {
    const before = logged(faultContext, DENIED)
    const [take, give] =
      fault.roll < 0.5
        ? [
            `ALTER ROLE ${ROLE} SET default_transaction_read_only = on`,
            `ALTER ROLE ${ROLE} RESET default_transaction_read_only`,
          ]
        : [
            `REVOKE INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public FROM ${ROLE}`,
            `GRANT ALL ON ALL TABLES IN SCHEMA public TO ${ROLE}`,
          ]
    await sql.unsafe(take)
    // Settings of a role are those of its new sessions.
    await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = ${ROLE}`
    await fireUntil(() => logged(faultContext, DENIED) > before, fault, faultContext, IN_FLIGHT)
    await sql.unsafe(give)
    const count = logged(faultContext, DENIED) - before
    return { hit: count > 0, detail: `${count} statements were denied (${take.split(' ')[0]})` }
  })

const REFUSED = /too many clients already|remaining connection slots are reserved/g

interface Other {
  socket: Socket
  isRefused(): boolean
}

/** A session that does nothing but be there: by hand, since drivers try again where they are refused. */
function occupy({ hostname, port }: URL): Other {
  const socket = connect(Number(port), hostname)
  let first: string | undefined
  socket.on('error', () => {})
  socket.once('data', (bytes: Buffer) => {
    first = bytes.toString('latin1', 0, 1)
  })
  const body = Buffer.from('user\0postgres\0database\0postgres\0\0')
  const head = Buffer.alloc(8)
  head.writeInt32BE(head.length + body.length, 0)
  // Version 3.0 of the protocol.
  head.writeInt32BE(196_608, 4)
  socket.write(Buffer.concat([head, body]))
  return { socket, isRefused: () => first === 'E' }
}

const noConnections: Inject = async (fault, faultContext) =>
  await withPostgres(faultContext, async (sql) => {
    const [row] = await sql`SELECT setting::integer AS count FROM pg_settings WHERE name = 'max_connections'`
    const count = Number(row?.count)
    const before = logged(faultContext, REFUSED)
    const others: Other[] = []
    const refusals = () => others.filter((other) => other.isRefused()).length
    try {
      // A node that loses a connection competes with the others for the next one.
      for (let round = 0; round < 3; round++) {
        for (let n = 0; n < count; n++) others.push(occupy(new URL(postgresOf(faultContext).url)))
        await sleep(AGAIN_MS)
        await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = ${ROLE}`
      }
      await fireUntil(
        () => logged(faultContext, REFUSED) - before > refusals(),
        fault,
        faultContext,
        IN_FLIGHT,
      )
    } finally {
      for (const other of others) other.socket.destroy()
    }
    const ownRefusals = refusals()
    const refused = logged(faultContext, REFUSED) - before - ownRefusals
    return { hit: refused > 0, detail: `${refused} connections were refused` }
  })

/** Those that a request writes to. */
function tablesOf({ installation: { plan } }: FaultContext): string[] {
  const own = {
    orders: ['orders'],
    payments: ['payments', 'audit_log'],
    proxy: [],
    events: ['orders', 'payments', 'events', 'webhook_endpoints', 'webhook_deliveries'],
  }[plan.mode]
  return plan.store === 'postgres' && plan.mode !== 'payments' ? [...own, 'idempotency_keys'] : own
}

const locked: Inject = async (fault, faultContext) =>
  await withPostgres(faultContext, async (sql) => {
    const tables = tablesOf(faultContext)
    const table = tables[Math.floor(fault.roll * tables.length)] ?? ''
    let [waiting, connections] = [0, 0]
    await sql.begin(async (own) => {
      await own`LOCK TABLE ${own(table)} IN ACCESS EXCLUSIVE MODE`
      const untilMs = performance.now() + fault.forMs
      await faultContext.event('fire', { node: fault.node, count: IN_FLIGHT })
      while (performance.now() < untilMs) {
        const [row] = await sql`
          SELECT count(*) FILTER (WHERE wait_event_type = 'Lock')::integer AS waiting, count(*)::integer AS connections
          FROM pg_stat_activity WHERE usename = ${ROLE}`
        waiting = Math.max(waiting, Number(row?.waiting))
        connections = Math.max(connections, Number(row?.connections))
        await sleep(AGAIN_MS)
      }
    })
    const detail = `${table}: up to ${waiting} of ${connections} connections waited for it`
    return { hit: waiting > 0, detail }
  })

const clock: Inject = async (fault, faultContext) => {
  const fake = needed(faultContext.installation.clocks.postgres, 'clock of PostgreSQL')
  const seen = () =>
    withPostgres(faultContext, async (sql) => {
      const [row] = await sql`SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms`
      return Number(row?.ms) - Date.now()
    })
  const step = faultContext.installation.plan.mode === 'payments' ? stepBackForGood : stepAndBack
  return await step(fake, seen, fault, faultContext)
}

export const POSTGRES_FAULTS = {
  'postgres-terminate': terminate,
  'postgres-restart': restart,
  'postgres-kill': kill,
  'postgres-disk-full': diskFull,
  'postgres-role': role,
  'postgres-no-connections': noConnections,
  'postgres-locked': locked,
  'postgres-clock': clock,
  'postgres-one-way': oneWay('postgres', IN_FLIGHT),
  'postgres-refuse': refuse,
  'postgres-reply-lost': postgresReplyLost,
} as const satisfies Partial<Record<FaultKind, Inject>>
