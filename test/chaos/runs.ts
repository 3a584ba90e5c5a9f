import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { check, type Verdict } from './check.ts'
import { type Evidence, readEvidence } from './evidence.ts'
import { isFaultKind, MODES, STORES } from './fault-kinds.ts'
import type { ChaosOptions } from './options.ts'
import { plant } from './plant.ts'
import { RUNS_HEAD, reportText, runRow, verdictText } from './report.ts'
import { type Progress, runChaos } from './run.ts'
import { planRun } from './run-plan.ts'
import { type PlannedFault, schedule } from './schedule.ts'
import { timelineSvg } from './timeline.ts'

const NODES = 3
const PARTNERS = 2
const SHOWN = 20

export interface RunResult {
  evidence: Evidence
  verdict: Verdict
  directory: string
}

/** Runs, checks and reports; answers with the exit code. */
export async function oneRun(options: ChaosOptions): Promise<number> {
  const directory = options.out ?? join('chaos-runs', `${options.mode}-${options.store}-${options.seed}`)
  console.log(`${options.mode} on ${options.store}, --seed ${options.seed}, into ${directory}`)
  return told(await run(options, directory, plant(), showProgress()), options.report)
}

export async function run(
  options: ChaosOptions,
  directory: string,
  program: string,
  onProgress: (progress: Progress) => void,
): Promise<RunResult> {
  const { seed, mode, store, durationMs, rate, everyMs, faults } = options
  const plan = planRun({
    ...{ seed, mode, store, durationMs, rate, nodes: NODES, partners: PARTNERS },
    newSecret: () => `canary-${randomBytes(12).toString('hex')}`,
  })
  const planned = schedule({ seed, mode, store, durationMs, everyMs, faults, nodes: NODES })
  rmSync(directory, { recursive: true, force: true })
  await runChaos({ plan, faults: planned, directory, program, onProgress })
  return await judge(directory)
}

/** A run that was recorded before. */
export async function checkAgain(directory: string, report: string | undefined): Promise<number> {
  return told(await judge(directory), report)
}

const plannedFaults = z.array(
  z.object({
    ...{ n: z.number(), kind: z.string().refine(isFaultKind), atMs: z.number(), forMs: z.number() },
    ...{ node: z.number(), roll: z.number() },
  }),
)

async function judge(directory: string): Promise<RunResult> {
  const evidence = await readEvidence(directory)
  const planned: PlannedFault[] = plannedFaults.parse(
    JSON.parse(readFileSync(join(directory, 'schedule.json'), 'utf8')),
  )
  return { evidence, verdict: check(evidence, planned), directory }
}

function told({ evidence, verdict, directory }: RunResult, report: string | undefined): number {
  writeFileSync(join(directory, 'timeline.svg'), timelineSvg(evidence))
  const text = reportText(evidence, verdict, 'timeline.svg')
  writeFileSync(join(directory, 'report.md'), text)
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
  return reasons.length > 0 ? 3 : 0
}

/** One line that is written over on a terminal, and every ten seconds elsewhere. */
function showProgress(): (progress: Progress) => void {
  const isTerminal = process.stdout.isTTY
  let lastMs = Number.NEGATIVE_INFINITY
  return ({ phase, elapsedMs, tally, faultsDone, underWay }) => {
    const line =
      `${Math.round(elapsedMs / 1_000)} s | ${phase} | ${tally.sent} requests, ${tally.lost} without an answer | ` +
      `${faultsDone} faults${underWay.length > 0 ? `, now ${underWay.join(', ')}` : ''}`
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
      ...['--duration', `${durationMs}ms`, '--rate', String(rate), '--every', `${everyMs}ms`],
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
      console.log(
        `${directory}: no result (exit code ${code}): ${error instanceof Error ? error.message : String(error)}`,
      )
    }
  }
  const codes = ended.map(({ code }) => code)
  return codes.includes(1) ? 1 : Math.max(...codes)
}
