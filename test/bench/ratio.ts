import type { Measured } from './measure.ts'
import { median } from './statistics.ts'

/** The median of the ratios within each round, which met the same machine. */
export function ratioTo(other: Measured, one: Measured): number {
  return median(one.rounds.map(({ rate }, n) => rate / (other.rounds[n]?.rate ?? Number.NaN)))
}
