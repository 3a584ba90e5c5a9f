import type { RunPlan } from './run-plan.ts'

/**
 * Keys of a partner at work at the same time, without a response yet: beyond it the load waits, since a service that stands
 * still must not be buried. Fewer at the sidecar, where all of them fail while its one store is away.
 */
export const maxOpenOf = ({ rate, mode }: RunPlan) => Math.max(mode === 'proxy' ? 6 : 12, Math.ceil(rate / 8))
/** What a partner that stood still makes up for; more would be a burst of new keys. */
export const MAX_LATE_MS = 200
export const MAX_SWEPT = 400
export const SWEEPERS = 8
export const FIRST_RETRY_MS = 150
/** Times to live up to it can run out within a run. */
export const FORGETS_MS = 60_000
export const ASK_ON_EVERY_MS = 900
export const LONGEST_RETRY_MS = 3_000
/** For one key at a time; what has no end by then is asked for again when all is well. */
export const PATIENCE_MS = 15_000
/** For all that is asked for again then: a machine that is busy with other work is late, and not wrong. */
export const SWEEP_MS = 90_000
/** Seldom where there is little else, so that they are not most of the load. */
export const lookupsEveryMs = (rate: number) => Math.max(10_000, 60_000 / rate)
