import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { buildMutant } from './build-mutant.ts'
import { MODES, STORES } from './fault-kinds.ts'
import type { ChaosOptions } from './options.ts'
import { quickPauses } from './quick-pauses.ts'
import { run, writeReport } from './runs.ts'
import { addTotal, readTotals, requestsOf, type Total, totalOf, totalsTable } from './totals.ts'
import { VoidRun } from './void-run.ts'

/** A machine on which nothing but void runs come about is too busy, or something is wrong with the runs. */
const VOID_IN_A_ROW = 6

/**
 * Run after run, each mode on each store in turn, until there are so many requests: each is checked when it is over, and
 * of its history nothing is kept but a line of totals, unless it has a violation. What an earlier session has counted in
 * the same file counts. Exit code: 0 all held, 1 a violation, 3 too many void runs.
 */
export async function longRuns(options: ChaosOptions, wanted: number): Promise<number> {
  const out = options.out ?? 'chaos-runs'
  const file = join(out, 'totals.jsonl')
  const [program, quick] = [buildMutant(), buildMutant(quickPauses('events'))]
  const startedMs = performance.now()
  const countedBefore = requestsOf(readTotals(file))
  let voids = 0
  for (;;) {
    const totals = readTotals(file)
    const count = requestsOf(totals)
    if (count >= wanted) break
    const { mode, store } = next(totals)
    const seed = `${options.seed}-${totals.length + 1}`
    console.log(
      `${progress(count, wanted, count - countedBefore, performance.now() - startedMs)}; now ${mode} on ${store}`,
    )
    const directory = join(out, `${mode}-${store}-${seed}`)
    const total = await one({ ...options, mode, store, seed }, directory, mode === 'events' ? quick : program)
    if (total === undefined || total.void !== '') {
      voids++
      console.log(`void: ${total?.void ?? 'see above'}`)
      if (total !== undefined) addTotal(file, total)
      if (voids === VOID_IN_A_ROW) return 3
      continue
    }
    voids = 0
    addTotal(file, total)
    if (total.violations > 0) {
      console.error(`not ok: ${total.violations} violations; all that was recorded is in ${directory}`)
      return 1
    }
    rmSync(directory, { recursive: true, force: true })
  }
  console.log(totalsTable(readTotals(file)))
  return 0
}

/** undefined: it did not come to an end. */
async function one(options: ChaosOptions, directory: string, program: string): Promise<Total | undefined> {
  try {
    const result = await run(options, directory, program, () => {})
    if (result.verdict.violations.length > 0) writeReport(result)
    return totalOf(result.evidence, result.verdict)
  } catch (error) {
    if (!(error instanceof VoidRun)) throw error
    console.error(`**VOID**: ${error.message}`)
    return undefined
  }
}

/** The pair that has had the fewest requests. */
function next(totals: readonly Total[]): Pick<Total, 'mode' | 'store'> {
  const pairs = MODES.flatMap((mode) => STORES.map((store) => ({ mode, store })))
  const requests = ({ mode, store }: Pick<Total, 'mode' | 'store'>) =>
    requestsOf(totals.filter((total) => total.mode === mode && total.store === store))
  return pairs.reduce((best, pair) => (requests(pair) < requests(best) ? pair : best))
}

/** `here`: of this session, in `ms`. Starts, healing and checks are part of the time. */
export function progress(count: number, wanted: number, here: number, ms: number): string {
  const rate = ms > 0 ? (1_000 * here) / ms : 0
  const left = rate > 0 ? `${((wanted - count) / rate / 3_600).toFixed(1)} h left` : 'time left not known yet'
  const share = ((100 * count) / wanted).toFixed(2)
  return `${count} of ${wanted} requests (${share} %), ${Math.round(rate)} a second, ${left}`
}
