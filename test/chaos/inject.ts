import { EVENT_FAULTS } from './event-faults.ts'
import { FAR_FAULTS } from './far-faults.ts'
import type { FaultContext, Hit, Inject } from './fault-context.ts'
import { type FaultKind, infoOf } from './fault-kinds.ts'
import { NODE_FAULTS } from './node-faults.ts'
import { POSTGRES_FAULTS } from './postgres-faults.ts'
import { REDIS_FAULTS } from './redis-faults.ts'
import type { PlannedFault } from './schedule.ts'

const INJECT: Record<FaultKind, Inject> = {
  ...NODE_FAULTS,
  ...REDIS_FAULTS,
  ...POSTGRES_FAULTS,
  ...FAR_FAULTS,
  ...EVENT_FAULTS,
}

/** Does it and undoes it. Resolves when all is as it was. */
export function inject(fault: PlannedFault, faultContext: FaultContext): Promise<Hit> {
  return INJECT[fault.kind](fault, faultContext)
}

/** The names of the places that the fault needs for itself. */
export function placesOf({ kind, node, n }: PlannedFault, nodes: number): string[] {
  const { place } = infoOf(kind)
  const all = Array.from({ length: nodes }, (_, one) => one)
  const own = node % nodes
  // One node is left, however long the others take to start: nothing is proven by a service that is not there.
  const slots = Array.from({ length: nodes - 1 }, (_, one) => `slot ${one}`)
  switch (place) {
    case 'partners':
      return [`partners ${n}`]
    case 'nodes':
      return [...all.map((one) => `node ${one}`), ...slots]
    case 'node':
      // These use the wires of their node, too.
      return [
        slots[n % slots.length] ?? '',
        ...[`node ${own}`, `redis wire ${own}`, `postgres wire ${own}`],
        // These hold what the receivers have.
        ...(kind === 'kill-while-sending' || kind === 'kill-after-sending' ? ['receivers'] : []),
      ]
    case 'redis wire':
    case 'postgres wire':
      return all.map((one) => `${place} ${one}`)
    default:
      return [place]
  }
}
