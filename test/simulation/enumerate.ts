import type { Fault, Plan } from './failpoints.ts'
import type { Mode } from './node.ts'
import { kindsOf, smallScenario } from './scenario.ts'
import { type Defect, type Run, simulate } from './world.ts'

/** Which call of a run is struck by what. */
export type Strikes = ReadonlyMap<number, Fault>

export function planOf(strikes: Strikes): Plan {
  return (n) => strikes.get(n) ?? 'none'
}

/** `3=lost,7=crash after`: as a command takes it. */
export function strikesText(strikes: Strikes): string {
  return [...strikes].map(([n, fault]) => `${n}=${fault}`).join(',')
}

/** Throws an Error that says the rule. */
export function parseStrikes(text: string, kinds: readonly Fault[]): Strikes {
  return new Map(
    text.split(',').map((part) => {
      const [, n, name] = /^(\d+)=(.+)$/.exec(part) ?? []
      const fault = kinds.find((one) => one === name)
      if (n === undefined || fault === undefined) {
        throw new Error(`must be a list like 3=lost,7=crash after, of: ${kinds.join(', ')}`)
      }
      return [Number(n), fault]
    }),
  )
}

/**
 * Every fault at every call of the small scenario, alone and with every fault at every later call. `nthPair`: only each
 * so many of the pairs.
 */
export async function* singlesAndPairs(
  mode: Mode,
  defect?: Defect,
  nthPair = 1,
): AsyncGenerator<{ strikes: Strikes; run: Run }> {
  const kinds = kindsOf(mode)
  const options = defect === undefined ? {} : { defect }
  const struckBy = async (strikes: Strikes) => {
    const run = await simulate(smallScenario(mode, planOf(strikes)), options)
    return { strikes, run }
  }
  const calm = await struckBy(new Map())
  let pairs = 0
  yield calm
  for (let n = 0; n < calm.run.failpoints; n++) {
    for (const fault of kinds) {
      const single = await struckBy(new Map([[n, fault]]))
      yield single
      for (let m = n + 1; m < single.run.failpoints; m++) {
        for (const second of kinds) {
          if (pairs++ % nthPair !== 0) continue
          yield await struckBy(
            new Map([
              [n, fault],
              [m, second],
            ]),
          )
        }
      }
    }
  }
}
