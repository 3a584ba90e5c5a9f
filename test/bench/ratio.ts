import type { Measured, Round } from './measure.ts'
import { median } from './statistics.ts'

/** The median of the ratios within each round, which met the same machine; of their rates by default. */
export function ratioTo(
  other: Measured,
  one: Measured,
  value: (round: Round) => number = ({ rate }) => rate,
): number {
  return median(
    one.rounds.map((round, n) => {
      const beside = other.rounds[n]
      return beside === undefined ? Number.NaN : value(round) / value(beside)
    }),
  )
}
