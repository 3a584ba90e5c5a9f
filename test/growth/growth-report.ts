import type { Compared } from './compare.ts'
import type { TableSize } from './table-sizes.ts'

export interface Growth {
  orders: number
  keys: number
  /** Orders and live keys of the other side. */
  few: number
  /** shared_buffers of the PostgreSQL. */
  buffers: string
  rounds: number
  roundMs: number
  /** Seconds. */
  fillTimes: Readonly<Record<string, number>>
  measured: (Compared & { store: string })[]
  sizes: TableSize[]
  memory: { bytes: number; responseBytes: number }
  sweeping: { aloneP99Ms: number; besideP99Ms: number; rowsPerS: number; alonePerS: number } | undefined
}

/** Markdown. */
export function report(growth: Growth): string {
  const { orders, keys, few, buffers, rounds, roundMs, fillTimes, measured, sizes, memory, sweeping } = growth
  const lines = [
    `${number(orders)} orders, ${number(keys)} live keys against ${number(few)} of each, ${buffers} of shared buffers; ${rounds} rounds of ${roundMs} ms for each side, in turn.`,
    '',
    '| keys in | path | few: responses/s, p50, p99 | full: responses/s, p50, p99 | full / few |',
    '|---|---|---|---|---|',
    ...measured.map(
      ({ store, path, sides, ratio }) =>
        `| ${store} | ${path} | ${sides.map((side) => `${number(side.rate)}/s, ${ms(side.p50Ms)}, ${ms(side.p99Ms)}`).join(' | ')} | ${ratio.toFixed(2)} |`,
    ),
    '',
    '| table or index | size | bytes for each row |',
    '|---|---|---|',
    ...sizes.map(
      ({ name, bytes, bytesEach }) => `| ${name} | ${number(bytes / 1e6)} MB | ${number(bytesEach)} |`,
    ),
    '',
    `Redis: ${number(memory.bytes)} bytes for each key, ${number(memory.responseBytes)} of them the response, ${number(memory.bytes - memory.responseBytes)} besides.`,
  ]
  if (sweeping !== undefined) {
    lines.push(
      `Sweeping: ${number(sweeping.alonePerS)} rows/s with nothing beside it; at its own pace ${number(sweeping.rowsPerS)} rows/s, while the p99 of replays goes from ${ms(sweeping.aloneP99Ms)} to ${ms(sweeping.besideP99Ms)}.`,
    )
  }
  const filled = Object.entries(fillTimes).map(([what, seconds]) => `${what} ${number(seconds)} s`)
  lines.push(`Filling: ${filled.join(', ')}.`, '')
  return lines.join('\n')
}

function number(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`
}
