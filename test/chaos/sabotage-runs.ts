import { join } from 'node:path'
import { buildMutant } from './build-mutant.ts'
import { INVARIANTS, type Violation } from './invariants.ts'
import type { ChaosOptions } from './options.ts'
import { quickPauses } from './quick-pauses.ts'
import { run } from './runs.ts'
import type { Sabotage } from './sabotage.ts'
import { SABOTAGES } from './sabotages.ts'
import { VoidRun } from './void-run.ts'

/** Each of them a run of its own, until the bug is found or the time is over: mostly the first one finds it. */
const TRIES = 6
const LIMIT_MS = 300_000
const DURATION_MS = 18_000
const EVERY_MS = 900

interface Found {
  name: string
  sabotage: Sabotage
  tries: number
  seconds: number
  /** Of the expected invariant, in the run that found it; 0: not found. */
  violations: number
  first: string
}

/** Plants bugs and looks whether they are found. Exit code 0: all of them, each by its invariant. */
export async function sabotageRuns(options: ChaosOptions, name: string): Promise<number> {
  const chosen = Object.entries(SABOTAGES).filter(([one]) => name === 'all' || name === one)
  if (chosen.length === 0) {
    console.error(
      `--sabotage ${name}: there is no such bug; there are ${Object.keys(SABOTAGES).join(', ')} and all`,
    )
    return 2
  }
  const results: Found[] = []
  for (const [one, sabotage] of chosen) {
    const found = await find(options, one, sabotage)
    results.push(found)
    const verdict = found.violations > 0 ? `found: invariant ${sabotage.invariant}` : 'NOT FOUND'
    console.log(`${one}: ${verdict} after ${found.seconds} s: ${found.first}`)
  }
  console.log(table(results))
  return results.every(({ violations }) => violations > 0) ? 0 : 1
}

async function find(options: ChaosOptions, name: string, sabotage: Sabotage): Promise<Found> {
  const { mode, store, faults, patches, ttlMs, windowMs } = sabotage
  const startedMs = performance.now()
  const program = buildMutant([...quickPauses(mode), ...patches])
  const seconds = () => Math.round((performance.now() - startedMs) / 1_000)
  for (let tries = 1; ; tries++) {
    const seed = `${options.seed}-${tries}`
    const directory = join(options.out ?? 'chaos-runs', `sabotage-${name}`)
    const given = {
      ...options,
      mode,
      store,
      faults,
      seed,
      ttlMs,
      windowMs,
      durationMs: DURATION_MS,
      everyMs: EVERY_MS,
    }
    const violations = await violationsOf(given, directory, program)
    const own = violations.filter(({ invariant }) => invariant === sabotage.invariant)
    const [first] = own
    if (first !== undefined || tries === TRIES || performance.now() - startedMs > LIMIT_MS) {
      const what =
        first?.what ?? `only ${violations.map(({ invariant }) => invariant).join(', ') || 'nothing'}`
      return { name, sabotage, tries, seconds: seconds(), violations: own.length, first: what }
    }
  }
}

async function violationsOf(options: ChaosOptions, directory: string, program: string): Promise<Violation[]> {
  try {
    const { verdict } = await run(options, directory, program, () => {})
    return verdict.violations
  } catch (error) {
    // A bug may keep a node from starting: that alone does not name it.
    if (!(error instanceof VoidRun)) throw error
    console.error(`void: ${error.message}`)
    return []
  }
}

function table(results: readonly Found[]): string {
  return [
    '',
    '| bug | what | mode | found by | after |',
    '|---|---|---|---|---|',
    ...results.map(({ name, sabotage: { what, mode, invariant }, seconds, violations }) => {
      const by = violations > 0 ? `${invariant}: ${INVARIANTS[invariant]}` : 'NOT FOUND'
      return `| ${name} | ${what} | ${mode} | ${by} | ${seconds} s |`
    }),
  ].join('\n')
}
