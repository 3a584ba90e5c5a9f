import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { send } from '../support/order-client.ts'
import {
  type FaultContext,
  type Inject,
  needed,
  nodeOf,
  revive,
  startAgain,
  struck,
} from './fault-context.ts'
import type { FaultKind } from './fault-kinds.ts'
import { monotonicMs } from './history.ts'
import type { InstalledNode } from './installation.ts'
import { ARRIVAL_MS, GRACE_MS } from './run-plan.ts'

const NONE = {}
/** Requests that are to be in flight when it strikes. */
const IN_FLIGHT = 6
/** For a request that was fired to arrive, on a machine that is busy. */
const NOTICE_MS = 3_000

/** Whether it became true in that time. */
async function soon(isTrue: () => boolean): Promise<boolean> {
  const untilMs = performance.now() + NOTICE_MS
  while (!isTrue() && performance.now() < untilMs) await sleep(10)
  return isTrue()
}

async function killed(node: InstalledNode, forMs: number): Promise<void> {
  await node.service.kill()
  await sleep(forMs)
  await startAgain(node)
}

/** Each way takes longer from now on, so that requests stand between two steps. */
function slow({ redis, postgres }: InstalledNode, latencyMs: number): () => void {
  const wires = [redis, postgres].filter((wire) => wire !== undefined)
  for (const wire of wires) wire.apply({ latencyMs })
  return () => {
    for (const wire of wires) wire.apply(NONE)
  }
}

const kill: Inject = async (fault, faultContext) => {
  const node = nodeOf(faultContext, fault.node)
  await revive(node, faultContext)
  await faultContext.event('fire', { node: node.n, count: IN_FLIGHT })
  await sleep(fault.roll * 80)
  await killed(node, fault.forMs)
  return { hit: true, detail: `node ${node.n} was away for ${fault.forMs} ms and its start` }
}

const killBeforeCommit: Inject = async (fault, faultContext) => {
  const node = nodeOf(faultContext, fault.node)
  await revive(node, faultContext)
  const wire = needed(node.postgres, 'PostgreSQL')
  const before = struck([wire], 'latency')
  wire.apply({ latencyMs: 400 })
  await faultContext.event('fire', { node: node.n, count: IN_FLIGHT })
  const count = () => struck([wire], 'latency') - before
  await soon(() => count() > 0)
  await sleep(fault.roll * 100)
  const delayed = count()
  await killed(node, fault.forMs)
  wire.apply(NONE)
  return { hit: delayed > 0, detail: `${delayed} connections of node ${node.n} had something on its way` }
}

const killAfterCommit: Inject = async (fault, faultContext) => {
  const node = nodeOf(faultContext, fault.node)
  await revive(node, faultContext)
  const wire = needed(node.postgres, 'PostgreSQL')
  const before = wire.stats().swallowed.down
  wire.apply({ blackhole: { directions: 'down', afterBytes: 0 } })
  await faultContext.event('fire', { node: node.n, count: IN_FLIGHT })
  const bytes = () => wire.stats().swallowed.down - before
  await soon(() => bytes() > 0)
  await sleep(fault.roll * 150)
  const swallowed = bytes()
  await killed(node, fault.forMs)
  wire.apply(NONE)
  return { hit: swallowed > 0, detail: `${swallowed} bytes of responses never reached node ${node.n}` }
}

const stall: Inject = async (fault, faultContext) => {
  const node = nodeOf(faultContext, fault.node)
  await revive(node, faultContext)
  // Half of the time between two steps of the requests in flight, else wherever they are.
  const quick = fault.roll < 0.5 ? undefined : slow(node, 150)
  await faultContext.event('fire', { node: node.n, count: IN_FLIGHT })
  await sleep(quick === undefined ? fault.roll * 60 : 150 + (fault.roll - 0.5) * 300)
  node.service.pause()
  quick?.()
  await sleep(fault.forMs)
  node.service.resume()
  return { hit: true, detail: `node ${node.n} stood still for ${fault.forMs} ms` }
}

const clockSkew: Inject = async (fault, faultContext) => {
  const node = nodeOf(faultContext, fault.node)
  await revive(node, faultContext)
  const sign = fault.roll * 100 - Math.floor(fault.roll * 100) < 0.5 ? -1 : 1
  // Some so far off that signatures are refused.
  const minutes = fault.roll < 0.7 ? 1 + fault.roll * 4 : 6 + fault.roll * 10
  const shiftMs = Math.round(sign * minutes * 60_000)
  node.shiftClock(shiftMs)
  const hit = await soon(() => node.seenShift() === shiftMs)
  await faultContext.event('fire', { node: node.n, count: IN_FLIGHT })
  await sleep(fault.forMs)
  node.shiftClock(0)
  return { hit, detail: `the clock of node ${node.n} was off by ${Math.round(shiftMs / 1_000)} s` }
}

/** Of each partner, at this one node. */
const CROWD = 70
const HUNDREDS = 100

/** They wait for PostgreSQL, whose connections stand still until SIGTERM, or for a slow backend. */
const sigterm: Inject = async (fault, faultContext) => {
  const node = nodeOf(faultContext, fault.node)
  await revive(node, faultContext)
  const { partners, mode } = faultContext.installation.plan
  const wire = mode === 'proxy' ? undefined : needed(node.postgres, 'PostgreSQL')
  wire?.apply({ hold: { directions: 'up' } })
  await Promise.all(
    Array.from({ length: partners }, () => faultContext.event('crowd', { node: node.n, count: CROWD })),
  )
  // The last of them has left its partner by then.
  await sleep(ARRIVAL_MS + 200)
  const arrivedAt = await arrived(node)
  const count = faultContext.inFlight()
  const at = monotonicMs()
  const stopped = node.service.stop()
  wire?.apply(NONE)
  const { code, signal } = await stopped
  const inTime = code === 0 && monotonicMs() - at < GRACE_MS
  await sleep(fault.forMs)
  await startAgain(node)
  const ending = code === null ? signal : `exit code ${code}`
  const detail = `${count} requests in flight, ${ending}${inTime ? '' : ', not within its grace'}`
  return { hit: count >= HUNDREDS, detail, sigterm: { at, arrivedAt, inTime } }
}

const ARRIVES_MS = 5_000

/**
 * The node has taken all connections that were made before this time: a new one, which comes after them, has its response. On a
 * busy machine hundreds wait for seconds, since libuv takes one in a turn of the event loop, and what waits when the port is
 * closed is reset by the kernel. 0: it has not responded.
 */
async function arrived(node: InstalledNode): Promise<number> {
  const at = monotonicMs()
  const agent = new Agent({ keepAlive: false })
  return await send(`${node.service.url}/livez`, { agent, timeoutMs: ARRIVES_MS }).then(
    () => at,
    () => 0,
  )
}

const otherVersion: Inject = async (fault, faultContext) => {
  const node = nodeOf(faultContext, fault.node)
  await revive(node, faultContext)
  await faultContext.event('fire', { node: node.n, count: IN_FLIGHT })
  await node.service.stop()
  node.changeVersion()
  await startAgain(node)
  return { hit: true, detail: `node ${node.n} goes on as ${node.version()}` }
}

const rollingRestart: Inject = async (_, faultContext) => {
  const codes: string[] = []
  for (const node of faultContext.installation.nodes) {
    await revive(node, faultContext)
    const { code, signal } = await node.service.stop()
    codes.push(String(code ?? signal))
    await startAgain(node)
  }
  return { hit: true, detail: `exit codes ${codes.join(', ')}` }
}

export const NODE_FAULTS = {
  kill,
  'kill-before-commit': killBeforeCommit,
  'kill-after-commit': killAfterCommit,
  stall,
  'clock-skew': clockSkew,
  'rolling-restart': rollingRestart,
  sigterm,
  'other-version': otherVersion,
} as const satisfies Partial<Record<FaultKind, Inject>>

/** All nodes up and running, whatever the faults have left. */
export async function reviveAll(faultContext: FaultContext): Promise<void> {
  for (const node of faultContext.installation.nodes) {
    node.service.resume()
    node.shiftClock(0)
    await revive(node, faultContext)
  }
}
