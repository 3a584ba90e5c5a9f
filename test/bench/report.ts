import type { Measured } from './measure.ts'
import { median } from './statistics.ts'

/** What ratios are to: bare Koa answering at once. */
export const FLOOR = 'koa-sync'

/** The median over the rounds of the ratio within each; NaN without the other. */
export function ratioTo(other: Measured | undefined, one: Measured): number {
  if (other === undefined) return Number.NaN
  return median(one.rounds.map(({ rate }, n) => rate / (other.rounds[n]?.rate ?? Number.NaN)))
}

export function table(measured: readonly Measured[]): string {
  const lines = [
    '| path | contestant | requests/s | of the floor | of the batched floor | p50 ms | p99 ms | CPU µs: server | Redis | PostgreSQL | peak MB |',
    '|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|',
    ...measured.map((one) => {
      const to = (name: string) =>
        ratioTo(
          measured.find(({ path, contestant }) => path === one.path && contestant === name),
          one,
        )
      return `| ${[
        one.path,
        one.contestant,
        String(Math.round(one.rate)),
        number(to(FLOOR), 2),
        number(to('koa-batched'), 2),
        number(one.p50Ms, 2),
        number(one.p99Ms, 2),
        number(one.cpuUs.server, 1),
        number(one.cpuUs.redis, 1),
        number(one.cpuUs.postgres, 1),
        number(one.peakRssMb, 0),
      ].join(' | ')} |`
    }),
  ]
  return lines.join('\n')
}

function number(value: number, decimals: number): string {
  return Number.isFinite(value) ? value.toFixed(decimals) : '-'
}
