/** 'up' is from the client to the target, 'down' is back. */
export type Direction = 'up' | 'down'
export type Directions = Direction | 'both'

/**
 * The faults of one connection. `afterBytes` pass in each direction, and the next byte triggers the fault: with 0 and
 * 'down' the target has done its work and its response is lost.
 */
export interface Faults {
  /** Added to each direction, plus 0 to `jitterMs` for each piece; the order of the bytes stays. */
  latencyMs?: number
  jitterMs?: number
  /** Both connections end: in order (FIN), or with `reset` by RST. */
  cut?: { directions: Directions; afterBytes: number; reset: boolean }
  /** Bytes are dropped from there on, also the end of the stream; the connections stay open. */
  blackhole?: { directions: Directions; afterBytes: number }
  /** Bytes wait until the fault is lifted, as when TCP repeats lost ones; they pass also after the sender has ended. */
  hold?: { directions: Directions }
  /** One direction ends in order (FIN), and later bytes in it are dropped; the other goes on. */
  halfClose?: { direction: Direction; afterBytes: number }
  /** Bytes a second in each direction. */
  bytesPerSecond?: number
  /** The connection is reset as soon as it is made; the target does not see it. */
  refuse?: boolean
}

export type FaultKind = 'latency' | 'rate' | 'cut' | 'reset' | 'blackhole' | 'hold' | 'half-close' | 'refuse'

/** Chooses the faults of connection `n` (1, 2, ...). `random` depends on seed and `n` only: runs can be repeated. */
export type FaultPlan = (n: number, random: () => number) => Faults

export interface Struck {
  connection: number
  kind: FaultKind
  direction?: Direction
  /** Passed in this direction before. */
  bytes?: number
}

export const NO_FAULTS: Faults = {}

export function concerns(directions: Directions, direction: Direction): boolean {
  return directions === 'both' || directions === direction
}
