/**
 * By how many ms a clock is certainly ahead of ours (negative: behind). It was read between `sentMs` and `receivedMs` of
 * ours.
 */
export function clockSkewMs(theirMs: number, sentMs: number, receivedMs: number): number {
  return Math.round(Math.max(theirMs - receivedMs, 0) + Math.min(theirMs - sentMs, 0))
}
