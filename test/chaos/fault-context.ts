import { setTimeout as sleep } from 'node:timers/promises'
import type { FaultProxy } from '../../src/tools/faults/fault-proxy.ts'
import type { Installation, InstalledNode } from './installation.ts'
import type { EVENTS } from './messages.ts'
import type { PlannedFault } from './schedule.ts'
import { VoidRun } from './void-run.ts'

/** Whether a fault met anything, and what. */
export interface Hit {
  hit: boolean
  detail: string
  /**
   * Of SIGTERM, times as in the history: when it was sent, until when connections had been taken by the node for certain, and
   * whether it ended by itself within its grace.
   */
  sigterm?: { at: number; arrivedAt: number; inTime: boolean }
}

/** What the faults are made with. */
export interface FaultContext {
  installation: Installation
  /** Asks a partner to do something beside its load; see messages.ts. */
  event(name: (typeof EVENTS)[number], options: { node?: number; count: number }): Promise<Hit>
  /** Requests of the partners without a response yet. */
  inFlight(): number
  /** A node that had ended by itself. */
  onCrash(node: number, ending: string): void
}

export type Inject = (fault: PlannedFault, faultContext: FaultContext) => Promise<Hit>

export function nodeOf({ installation }: FaultContext, n: number): InstalledNode {
  const node = installation.nodes[n % installation.nodes.length]
  if (node === undefined) throw new Error(`there is no node ${n}`)
  return node
}

export function needed<T>(part: T | undefined, what: string): T {
  if (part === undefined) throw new Error(`this run has no ${what}`)
  return part
}

/** How often this kind, or these, have struck so far. */
export function struck(
  wires: readonly FaultProxy[],
  ...kinds: ('cut' | 'reset' | 'blackhole' | 'hold' | 'latency' | 'refuse')[]
) {
  const each = wires.map((wire) => wire.stats().struck)
  return each.reduce((sum, one) => sum + kinds.reduce((of, kind) => of + one[kind], 0), 0)
}

/** As long as another server is away, a node cannot start: it is tried again. One try takes up to a minute by itself. */
const STARTS_MS = 45_000
const BETWEEN_STARTS_MS = 500

export async function startAgain(node: InstalledNode): Promise<void> {
  const untilMs = performance.now() + STARTS_MS
  for (;;) {
    try {
      return await node.service.restart()
    } catch (error) {
      if (performance.now() > untilMs)
        throw new VoidRun(`node ${node.n} does not start again: ${String(error)}`)
      await sleep(BETWEEN_STARTS_MS)
    }
  }
}

/** Starts it when it has ended by itself. */
export async function revive(node: InstalledNode, { onCrash }: FaultContext): Promise<void> {
  try {
    process.kill(node.service.pid, 0)
  } catch {
    const ending = await node.service.ended()
    onCrash(node.n, JSON.stringify(ending))
    await startAgain(node)
  }
}

/** Another program may have its port for a moment. */
export async function listenAgain(wire: FaultProxy): Promise<void> {
  const untilMs = performance.now() + STARTS_MS
  for (;;) {
    try {
      await wire.start()
      return
    } catch (error) {
      if (performance.now() > untilMs) throw new VoidRun(`a fault proxy has lost its port: ${String(error)}`)
      await sleep(BETWEEN_STARTS_MS)
    }
  }
}

const TRIES = 5

/** The fault is there for its time, and for longer while it meets nothing: its node may be starting, or wait for another store. */
export async function fireUntil(
  hasHit: () => boolean | Promise<boolean>,
  { node, forMs }: PlannedFault,
  faultContext: FaultContext,
  count: number,
): Promise<void> {
  let tries = 0
  do {
    await faultContext.event('fire', { node, count })
    await sleep(forMs)
  } while (++tries < TRIES && !(await hasHit()))
}

/** One direction of the connections to a store. */
export function oneWay(which: 'redis' | 'postgres', count: number): Inject {
  return (fault, faultContext) => loseOneWay(wiresOf(faultContext, which, fault), fault, faultContext, count)
}

/** One direction of these connections, and of new ones, is lost; what was sent in it passes when it is over. */
export async function loseOneWay(
  wires: readonly FaultProxy[],
  fault: PlannedFault,
  faultContext: FaultContext,
  count: number,
): Promise<Hit> {
  const before = struck(wires, 'hold')
  const directions = fault.roll * 10 - Math.floor(fault.roll * 10) < 0.5 ? 'up' : 'down'
  const held = { hold: { directions } } as const
  for (const wire of wires) {
    wire.set(held)
    wire.apply(held)
  }
  await fireUntil(() => struck(wires, 'hold') > before, fault, faultContext, count)
  for (const wire of wires) {
    wire.set({})
    wire.apply({})
  }
  const met = struck(wires, 'hold') - before
  const from = directions === 'up' ? 'to the server' : 'from the server'
  return { hit: met > 0, detail: `${met} connections had something on its way ${from}` }
}

/** The connections of all nodes to a store, or of one. */
export function wiresOf(
  { installation }: FaultContext,
  which: 'redis' | 'postgres',
  fault: PlannedFault,
): FaultProxy[] {
  const all = installation.nodes.map((node) => needed(node[which], which))
  const one = all[fault.node % all.length]
  return fault.roll < 0.5 || one === undefined ? all : [one]
}
