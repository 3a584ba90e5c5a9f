import type { Mode } from './fault-kinds.ts'
import type { Patch } from './sabotage.ts'

/** How often a webhook is sent again; as in the product. */
export const RETRIES = 9
/** In place of a minute, so that faults outlast it. */
export const DELIVERY_LEASE_MS = 2_000
const DELIVERER = 'internal/events/deliverer.ts'

const QUICK: readonly Patch[] = [
  { file: DELIVERER, find: 'const LEASE_MS = 60_000', replace: `const LEASE_MS = ${DELIVERY_LEASE_MS}` },
  { file: DELIVERER, find: 'const TIMEOUT_MS = 15_000', replace: 'const TIMEOUT_MS = 1_000' },
  {
    file: 'internal/events/retry-schedule.ts',
    find: '[5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]',
    replace: '[0.2, 0.5, 1, 1, 2, 2, 4, 4, 8]',
  },
]

/**
 * In runs of events the nodes are a copy of the product whose webhooks are retried after seconds in place of hours. It has no
 * setting for that.
 */
export function quickPauses(mode: Mode): readonly Patch[] {
  return mode === 'events' ? QUICK : []
}
