import { setTimeout as sleep } from 'node:timers/promises'
import type { FaultProxy } from '../../src/faults/fault-proxy.ts'
import type { EVENTS } from './messages.ts'
import type { PlannedFault } from './schedule.ts'
import type { Stage, StageNode } from './stage.ts'

/** Whether a fault met anything, and what. */
export interface Hit {
  hit: boolean
  detail: string
}

/** What the faults are made with. */
export interface Hands {
  stage: Stage
  /** Asks a partner to do something beside its load; see messages.ts. */
  event(name: (typeof EVENTS)[number], options: { node?: number; count: number }): Promise<Hit>
  /** A node that had ended by itself. */
  onCrash(node: number, ending: string): void
}

export type Inject = (fault: PlannedFault, hands: Hands) => Promise<Hit>

export function nodeOf({ stage }: Hands, n: number): StageNode {
  const node = stage.nodes[n % stage.nodes.length]
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
  ...kinds: ('cut' | 'reset' | 'blackhole' | 'latency' | 'refuse')[]
) {
  const each = wires.map((wire) => wire.stats().struck)
  return each.reduce((sum, one) => sum + kinds.reduce((of, kind) => of + one[kind], 0), 0)
}

/** As long as another server is away, a node cannot start: it is tried again. */
const STARTS = 20
const BETWEEN_STARTS_MS = 500

export async function startAgain(node: StageNode): Promise<void> {
  for (let tried = 1; ; tried++) {
    try {
      return await node.service.restart()
    } catch (error) {
      if (tried >= STARTS) throw error
      await sleep(BETWEEN_STARTS_MS)
    }
  }
}

/** Starts it when it has ended although nobody has ended it. */
export async function revive(node: StageNode, { onCrash }: Hands): Promise<void> {
  try {
    process.kill(node.service.pid, 0)
  } catch {
    const ending = await node.service.ended()
    onCrash(node.n, JSON.stringify(ending))
    await startAgain(node)
  }
}

/** Its port may have been lent to somebody else for a moment. */
export async function listenAgain(wire: FaultProxy): Promise<void> {
  for (let tried = 1; ; tried++) {
    try {
      await wire.start()
      return
    } catch (error) {
      if (tried >= STARTS) throw error
      await sleep(BETWEEN_STARTS_MS)
    }
  }
}
