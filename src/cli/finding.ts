import { clockSkewMs } from '../../internal/database/clock-skew.ts'

export interface Finding {
  ok: boolean
  check: string
  detail: string
}

/** Leases and quotas use the clocks of the stores, signatures ours: with more skew clients are refused. */
const MAX_SKEW_MS = 5_000

/** Compares the clock of a store, read between `sentMs` and `receivedMs` of ours. */
export function clock(check: string, theirMs: number, sentMs: number, receivedMs: number): Finding {
  const skewMs = clockSkewMs(theirMs, sentMs, receivedMs)
  const ok = Math.abs(skewMs) <= MAX_SKEW_MS
  return { ok, check, detail: `${skewMs} ms from ours${ok ? '' : `, at most ${MAX_SKEW_MS} ms are fine`}` }
}
