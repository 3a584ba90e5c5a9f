import assert from 'node:assert/strict'
import { load } from '../bench/load.ts'
import { median, percentile } from '../bench/statistics.ts'
import type { GrowthPath, Side } from './growth-paths.ts'

export interface Compared {
  path: string
  /** Medians over the rounds, of each side. */
  sides: { name: string; rate: number; p50Ms: number; p99Ms: number }[]
  /** Median over the rounds of the second side's rate by the first one's in the same round. */
  ratio: number
}

interface Round {
  rate: number
  p50Ms: number
  p99Ms: number
}

const CONNECTIONS = 64
/** More than a round takes. */
const PER_S = 12_000

/** Both sides in turn, round after round, so that what else the machine does hits them alike. */
export async function compare(
  path: GrowthPath,
  sides: readonly [Side, Side],
  rounds: number,
  roundMs: number,
): Promise<Compared> {
  const [first, second] = sides
  for (const side of sides) await round(path, side, 2 * roundMs)
  const pairs: [Round, Round][] = []
  for (let n = 0; n < rounds; n++) {
    pairs.push([await round(path, first, roundMs), await round(path, second, roundMs)])
  }
  const of = (index: 0 | 1, value: (one: Round) => number) => median(pairs.map((pair) => value(pair[index])))
  return {
    path: path.name,
    sides: ([0, 1] as const).map((index) => ({
      name: sides[index].name,
      rate: of(index, ({ rate }) => rate),
      p50Ms: of(index, ({ p50Ms }) => p50Ms),
      p99Ms: of(index, ({ p99Ms }) => p99Ms),
    })),
    ratio: median(pairs.map(([a, b]) => b.rate / a.rate)),
  }
}

export async function round(path: GrowthPath, side: Side, durationMs: number): Promise<Round> {
  const requests = Array.from({ length: Math.ceil((PER_S * durationMs) / 1_000) }, () => path.request(side))
  const { rate, latencies, unexpected } = await load({
    port: side.port,
    connections: CONNECTIONS,
    durationMs,
    next: () => requests.pop(),
    expected: path.expected,
  })
  assert.deepEqual([...unexpected], [], `${path.name} of ${side.name}: other responses than ${path.expected}`)
  return { rate, p50Ms: percentile(latencies, 0.5), p99Ms: percentile(latencies, 0.99) }
}
