/**
 * By how many milliseconds a clock is ahead of ours (negative: behind) for certain. It was asked at `sentMs` and its
 * response arrived at `receivedMs`, both by our clock: it was read some time in between, so that only what lies outside
 * is skew.
 */
export function clockSkewMs(theirMs: number, sentMs: number, receivedMs: number): number {
  return Math.round(Math.max(theirMs - receivedMs, 0) + Math.min(theirMs - sentMs, 0))
}
