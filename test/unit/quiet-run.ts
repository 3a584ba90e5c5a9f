import type { Mode } from '../chaos/fault-kinds.ts'
import type { Outcome } from '../chaos/outcome.ts'
import { planRun, type RunPlan } from '../chaos/run-plan.ts'

export const STARTED_ON = '2026-01-01T00:00:00.000Z'
export const HEALED_AT = 60_000

/** A run of chaos of a minute in which nothing happened. */
export function quietRun(
  mode: Mode,
  newSecret: () => string,
  ttlMs?: number,
): { plan: RunPlan; outcome: Outcome } {
  return {
    plan: planRun({
      seed: 's',
      mode,
      store: 'redis',
      durationMs: 60_000,
      rate: 1,
      nodes: 3,
      partners: 1,
      ttlMs,
      newSecret,
    }),
    outcome: {
      commit: 'c',
      startedOn: STARTED_ON,
      startedAt: 0,
      healedAt: HEALED_AT,
      endedAt: 90_000,
      faults: [],
      faultsLeftOut: 0,
      limiterOutages: [],
      crashes: [],
      open: 0,
    },
  }
}
