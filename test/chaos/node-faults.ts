import { setTimeout as sleep } from 'node:timers/promises'
import type { FaultKind } from './fault-kinds.ts'
import { type Hands, type Inject, needed, nodeOf, revive, startAgain, struck } from './hands.ts'
import type { StageNode } from './stage.ts'

const NONE = {}
/** Requests that are to be under way when it strikes. */
const UNDER_WAY = 6
const NOTICE_MS = 3_000

async function killed(node: StageNode, forMs: number): Promise<void> {
  await node.service.kill()
  await sleep(forMs)
  await startAgain(node)
}

/** Each way takes longer from now on, so that requests stand between two steps. */
function slow({ redis, postgres }: StageNode, latencyMs: number): () => void {
  const wires = [redis, postgres].filter((wire) => wire !== undefined)
  for (const wire of wires) wire.apply({ latencyMs })
  return () => {
    for (const wire of wires) wire.apply(NONE)
  }
}

const kill: Inject = async (fault, hands) => {
  const node = nodeOf(hands, fault.node)
  await revive(node, hands)
  await hands.event('fire', { node: node.n, count: UNDER_WAY })
  await sleep(fault.roll * 80)
  await killed(node, fault.forMs)
  return { hit: true, detail: `node ${node.n} was away for ${fault.forMs} ms and its start` }
}

const killBeforeCommit: Inject = async (fault, hands) => {
  const node = nodeOf(hands, fault.node)
  await revive(node, hands)
  const wire = needed(node.postgres, 'PostgreSQL')
  const before = struck([wire], 'latency')
  wire.apply({ latencyMs: 400 })
  await hands.event('fire', { node: node.n, count: UNDER_WAY })
  await sleep(60 + fault.roll * 100)
  const delayed = struck([wire], 'latency') - before
  await killed(node, fault.forMs)
  wire.apply(NONE)
  return { hit: delayed > 0, detail: `${delayed} connections of node ${node.n} had something on its way` }
}

const killAfterCommit: Inject = async (fault, hands) => {
  const node = nodeOf(hands, fault.node)
  await revive(node, hands)
  const wire = needed(node.postgres, 'PostgreSQL')
  const before = wire.stats().swallowed.down
  wire.apply({ blackhole: { directions: 'down', afterBytes: 0 } })
  await hands.event('fire', { node: node.n, count: UNDER_WAY })
  await sleep(100 + fault.roll * 150)
  const swallowed = wire.stats().swallowed.down - before
  await killed(node, fault.forMs)
  wire.apply(NONE)
  return { hit: swallowed > 0, detail: `${swallowed} bytes of answers never reached node ${node.n}` }
}

const stall: Inject = async (fault, hands) => {
  const node = nodeOf(hands, fault.node)
  await revive(node, hands)
  // Half of the time between two steps of the requests under way, else wherever they are.
  const quick = fault.roll < 0.5 ? undefined : slow(node, 150)
  await hands.event('fire', { node: node.n, count: UNDER_WAY })
  await sleep(quick === undefined ? fault.roll * 60 : 150 + (fault.roll - 0.5) * 300)
  node.service.pause()
  quick?.()
  await sleep(fault.forMs)
  node.service.resume()
  return { hit: true, detail: `node ${node.n} stood still for ${fault.forMs} ms` }
}

const clockSkew: Inject = async (fault, hands) => {
  const node = nodeOf(hands, fault.node)
  await revive(node, hands)
  const sign = fault.roll * 100 - Math.floor(fault.roll * 100) < 0.5 ? -1 : 1
  // Some so far off that signatures are refused.
  const minutes = fault.roll < 0.7 ? 1 + fault.roll * 4 : 6 + fault.roll * 10
  const shiftMs = Math.round(sign * minutes * 60_000)
  node.shiftClock(shiftMs)
  const untilMs = performance.now() + NOTICE_MS
  while (node.seenShift() !== shiftMs && performance.now() < untilMs) await sleep(20)
  const hit = node.seenShift() === shiftMs
  await hands.event('fire', { node: node.n, count: UNDER_WAY })
  await sleep(fault.forMs)
  node.shiftClock(0)
  return { hit, detail: `the clock of node ${node.n} was off by ${Math.round(shiftMs / 1_000)} s` }
}

const rollingRestart: Inject = async (_, hands) => {
  const codes: string[] = []
  for (const node of hands.stage.nodes) {
    await revive(node, hands)
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
} as const satisfies Partial<Record<FaultKind, Inject>>

/** All nodes up and running, whatever the faults have left. */
export async function reviveAll(hands: Hands): Promise<void> {
  for (const node of hands.stage.nodes) {
    node.service.resume()
    node.shiftClock(0)
    await revive(node, hands)
  }
}
