/** Whether two lists of measured times come from one distribution. */

export function quantile(list: readonly number[], share: number): number {
  const sorted = Float64Array.from(list).sort()
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

const RESAMPLES = 600

/** Of `a` less of `b`, with the bounds that hold it in 99 of 100 such measurements (percentiles of a bootstrap). */
export function medianDifference(
  a: readonly number[],
  b: readonly number[],
  random: () => number = Math.random,
): { difference: number; from: number; to: number } {
  const differences = Array.from(
    { length: RESAMPLES },
    () => medianOfResample(a, random) - medianOfResample(b, random),
  )
  return {
    difference: quantile(a, 0.5) - quantile(b, 0.5),
    from: quantile(differences, 0.005),
    to: quantile(differences, 0.995),
  }
}

/** Draws from the list as often as it is long. */
function medianOfResample(list: readonly number[], random: () => number): number {
  const drawn = Float64Array.from(
    { length: list.length },
    () => list[Math.floor(random() * list.length)] ?? 0,
  )
  drawn.sort()
  return drawn[Math.floor(drawn.length / 2)] ?? Number.NaN
}

/** Welch's t test; `p` two-sided, by the normal distribution: right for hundreds of values and more. */
export function welch(a: readonly number[], b: readonly number[]): { t: number; p: number } {
  const [x, y] = [moments(a), moments(b)]
  const t = (x.mean - y.mean) / Math.sqrt(x.variance / a.length + y.variance / b.length)
  return { t, p: 2 * upperTail(Math.abs(t)) }
}

function moments(list: readonly number[]): { mean: number; variance: number } {
  const mean = list.reduce((sum, value) => sum + value, 0) / list.length
  const squares = list.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return { mean, variance: squares / (list.length - 1) }
}

/** Of the standard normal distribution, beyond `z` ≥ 0: Abramowitz and Stegun 26.2.17, off by less than 7.5e-8. */
function upperTail(z: number): number {
  const t = 1 / (1 + 0.2316419 * z)
  const [b1, b2, b3, b4, b5] = [0.31938153, -0.356563782, 1.781477937, -1.821255978, 1.330274429]
  const sum = t * (b1 + t * (b2 + t * (b3 + t * (b4 + t * b5))))
  return (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * sum
}
