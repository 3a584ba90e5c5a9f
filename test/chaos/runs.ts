import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { errorMessage } from '../../internal/core/error-message.ts'
import { buildMutant } from './build-mutant.ts'
import { check, type Verdict } from './check.ts'
import { type Evidence, readEvidence } from './evidence.ts'
import { FAULT_KINDS, isFaultKind, MODES, STORES } from './fault-kinds.ts'
import { notPossible } from './means.ts'
import { type ChaosOptions, usualEveryMs } from './options.ts'
import { quickPauses } from './quick-pauses.ts'
import { RUNS_HEAD, reportText, runRow, verdictText } from './report.ts'
import { type Progress, runChaos } from './run.ts'
import { planRun } from './run-plan.ts'
import { type PlannedFault, schedule } from './schedule.ts'
import { timelineSvg } from './timeline.ts'
import { VoidRun } from './void-run.ts'

const NODES = 3
const PARTNERS = 2
const SHOWN = 20

export interface RunResult {
  evidence: Evidence
  verdict: Verdict
  directory: string
}

/** Runs, checks and reports; returns the exit code. */
export async function oneRun(options: ChaosOptions): Promise<number> {
  const directory = options.out ?? join('chaos-runs', `${options.mode}-${options.store}-${options.seed}`)
  console.log(`${options.mode} on ${options.store}, --seed ${options.seed}, into ${directory}`)
  try {
    return told(
      await run(options, directory, buildMutant(quickPauses(options.mode)), showProgress()),
      options.report,
    )
  } catch (error) {
    if (!(error instanceof VoidRun)) throw error
    const text = `# Chaos: ${options.mode} on ${options.store}, seed ${options.seed}\n\n**VOID**: ${error.message}\n`
    for (const file of [join(directory, 'report.md'), options.report])
      if (file !== undefined) writeFileSync(file, text)
    console.error(`**VOID**: ${error.message}`)
    return VOID
  }
}

/** Exit code of a run that says nothing. */
const VOID = 3

export async function run(
  options: ChaosOptions,
  directory: string,
  program: string,
  onProgress: (progress: Progress) => void,
): Promise<RunResult> {
  const { seed, mode, store, durationMs, rate, ttlMs, windowMs, otherVersion } = options
  const everyMs = options.everyMs ?? usualEveryMs(mode)
  const impossible = notPossible(otherVersion)
  const faults = options.faults ?? FAULT_KINDS.filter((kind) => !impossible.has(kind))
  const plan = planRun({
    seed,
    mode,
    store,
    durationMs,
    rate,
    nodes: NODES,
    partners: PARTNERS,
    ttlMs,
    windowMs,
    newSecret: () => `canary-${randomBytes(12).toString('hex')}`,
  })
  const planned = schedule({ seed, mode, store, durationMs, everyMs, faults, nodes: NODES })
  rmSync(directory, { recursive: true, force: true })
  const otherProgram = otherVersion === undefined ? undefined : buildMutant(quickPauses(mode), otherVersion)
  await runChaos({ plan, faults: planned, directory, program, otherProgram, onProgress })
  return await judge(directory)
}

/** A run that was recorded before. */
export async function checkAgain(directory: string, report: string | undefined): Promise<number> {
  return told(await judge(directory), report)
}

const plannedFaults = z.array(
  z.object({
    n: z.number(),
    kind: z.string().refine(isFaultKind),
    atMs: z.number(),
    forMs: z.number(),
    node: z.number(),
    roll: z.number(),
  }),
)

async function judge(directory: string): Promise<RunResult> {
  const evidence = await readEvidence(directory)
  const planned: PlannedFault[] = plannedFaults.parse(
    JSON.parse(readFileSync(join(directory, 'schedule.json'), 'utf8')),
  )
  return { evidence, verdict: check(evidence, planned), directory }
}

/** Into the directory of the run. */
export function writeReport({ evidence, verdict, directory }: RunResult): string {
  writeFileSync(join(directory, 'timeline.svg'), timelineSvg(evidence))
  const text = reportText(evidence, verdict, 'timeline.svg')
  writeFileSync(join(directory, 'report.md'), text)
  return text
}

function told(result: RunResult, report: string | undefined): number {
  const { evidence, verdict, directory } = result
  const text = writeReport(result)
  if (report !== undefined) writeFileSync(report, text)
  const { violations } = verdict
  for (const { invariant, what } of violations.slice(0, SHOWN))
    console.error(`not ok: invariant ${invariant}: ${what}`)
  if (violations.length > SHOWN) console.error(`not ok: and ${violations.length - SHOWN} more`)
  console.log(`${RUNS_HEAD}\n${runRow(evidence, verdict)}`)
  console.log(`${verdictText(verdict)} The report is in ${join(directory, 'report.md')}.`)
  return exitCode(verdict)
}

function exitCode({ violations, void: reasons }: Verdict): number {
  if (violations.length > 0) return 1
  return reasons.length > 0 ? VOID : 0
}

/** One line that is written over on a terminal, and every ten seconds elsewhere. */
function showProgress(): (progress: Progress) => void {
  const isTerminal = process.stdout.isTTY
  let lastMs = Number.NEGATIVE_INFINITY
  return ({ phase, elapsedMs, tally, faultsDone, faultsInFlight }) => {
    const line =
      `${Math.round(elapsedMs / 1_000)} s | ${phase} | ${tally.sent} requests, ${tally.lost} without a response | ` +
      `${faultsDone} faults${faultsInFlight.length > 0 ? `, now ${faultsInFlight.join(', ')}` : ''}`
    if (isTerminal) process.stdout.write(`\r\x1b[2K${line.slice(0, 150)}`)
    else if (elapsedMs - lastMs >= 10_000) {
      console.log(line)
      lastMs = elapsedMs
    }
  }
}

/** Each mode on each store in a process of its own, all at once; the exit code is the worst. */
export async function matrix(options: ChaosOptions): Promise<number> {
  const { seed, durationMs, rate, everyMs, out = 'chaos-runs' } = options
  const program = fileURLToPath(new URL('./chaos.ts', import.meta.url))
  const pairs = MODES.flatMap((mode) => STORES.map((store) => ({ mode, store })))
  const runs = pairs.map(async ({ mode, store }) => {
    const directory = join(out, `${mode}-${store}-${seed}`)
    const args = [
      ...['--mode', mode, '--store', store, '--seed', seed, '--out', directory],
      ...['--duration', `${durationMs}ms`, '--rate', String(rate)],
      ...(everyMs === undefined ? [] : ['--every', `${everyMs}ms`]),
      ...(options.otherVersion === undefined ? [] : ['--other-version', options.otherVersion]),
    ]
    const child = spawn(process.execPath, ['--import', 'tsx', program, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => console.log(`${mode} ${store}: ${line}`))
    }
    const code = await new Promise<number>((resolve) => child.once('close', (ended) => resolve(ended ?? 1)))
    return { directory, code }
  })
  const ended = await Promise.all(runs)
  console.log(`\n${RUNS_HEAD}`)
  for (const { directory, code } of ended) {
    try {
      const { evidence, verdict } = await judge(directory)
      console.log(runRow(evidence, verdict))
    } catch (error) {
      console.log(`${directory}: no result (exit code ${code}): ${errorMessage(error)}`)
    }
  }
  const codes = ended.map(({ code }) => code)
  return codes.includes(1) ? 1 : Math.max(...codes)
}
