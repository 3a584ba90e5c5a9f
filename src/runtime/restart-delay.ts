const FIRST_MS = 100
const LAST_MS = 30_000
/** A worker that was ready for this long has not died of how it was started. */
const HEALTHY_MS = 60_000

/**
 * When to replace a worker that has died after `deathsInRow` others in its place, having been ready for
 * `livedMs`: at once the first time, then less and less often, since whatever kills it may need the machine.
 */
export function restartDelayMs(
  deathsInRow: number,
  livedMs: number,
): { delayMs: number; deathsInRow: number } {
  const before = livedMs >= HEALTHY_MS ? 0 : deathsInRow
  return { delayMs: Math.min(FIRST_MS * 2 ** before, LAST_MS), deathsInRow: before + 1 }
}
