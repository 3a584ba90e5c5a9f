/**
 * The minimum difference, in ms, by which another clock is ahead of ours (negative: behind). `theirMs` was read at some
 * time between `sentMs` and `receivedMs` of our clock.
 */
export function clockSkewMs(theirMs: number, sentMs: number, receivedMs: number): number {
  return Math.round(Math.max(theirMs - receivedMs, 0) + Math.min(theirMs - sentMs, 0))
}
