import { setTimeout as sleep } from 'node:timers/promises'
import type { FuzzCase } from './fuzz-case.ts'
import { makeCase } from './make-case.ts'
import { type Sent, sendCase } from './send-case.ts'
import { shrink } from './shrink.ts'
import type { World } from './world.ts'

export interface FuzzOptions {
  seed: string
  durationMs: number
  connections: number
  /** Only this case. */
  only?: number | undefined
  onProgress?: (text: string) => void
}

export interface Finding {
  /** undefined: it showed only in what all cases left behind. */
  case?: FuzzCase
  fault: string
  /** The least that still shows it. */
  least?: Buffer
}

export interface FuzzReport {
  cases: number
  seconds: number
  findings: Finding[]
  /** How many responses there were, by status. */
  statuses: Map<number, number>
  /** How many cases got no response: what they sent was no whole request. */
  unanswered: number
  slowestMs: number
}

/** Then nothing new is learned from going on. */
const MAX_FINDINGS = 10
const LOOK_EVERY_MS = 2_000
/** For what is in flight in the service when the last response is there, and for the last log lines. */
const QUIET_MS = 2_000
const PROGRESS_EVERY_MS = 5_000

/** Sends one case after the other until the time is over, looks at each response, and at the end at what they left behind. */
export async function runFuzz(world: World, options: FuzzOptions): Promise<FuzzReport> {
  const { seed, durationMs, connections, only, onProgress = () => {} } = options
  const startedMs = performance.now()
  const report: FuzzReport = {
    cases: 0,
    seconds: 0,
    findings: [],
    statuses: new Map(),
    unanswered: 0,
    slowestMs: 0,
  }
  const elapsedMs = () => performance.now() - startedMs
  const isOver = () => elapsedMs() > durationMs || report.findings.length >= MAX_FINDINGS
  let next = 0
  const look = () => report.findings.push(...world.look().map((fault) => ({ fault })))
  const timers = [
    setInterval(look, LOOK_EVERY_MS),
    setInterval(() => onProgress(progress(report, elapsedMs(), durationMs)), PROGRESS_EVERY_MS),
  ]
  const send = async (number: number) => {
    const one = makeCase(world.grammar, `${seed}:${number}`, Math.floor(Date.now() / 1000))
    world.expect(one)
    const sent = await sendCase(world.port, one)
    count(report, sent)
    world.note(sent, one)
    const fault = world.judge(sent, one)
    if (fault === undefined) return
    onProgress(`found: ${fault.slice(0, 500)}`)
    const least = await shrink(one, async (bytes) => {
      const head = bytes.toString('latin1', 0, 5) === 'HEAD '
      const smaller = { ...one, bytes, splits: [], whole: false, head }
      const again = await sendCase(world.port, smaller)
      world.note(again, smaller)
      return world.judge(again, smaller) !== undefined
    })
    report.findings.push({ case: one, fault, least })
  }
  const sender = async () => {
    while (!isOver()) await send(next++)
  }
  if (only === undefined) await Promise.all(Array.from({ length: connections }, sender))
  else await send(only)
  for (const timer of timers) clearInterval(timer)
  await sleep(QUIET_MS)
  look()
  report.findings.push(...(await world.check()).map((fault) => ({ fault })))
  report.seconds = elapsedMs() / 1_000
  return report
}

function count(report: FuzzReport, { responses, ms }: Sent): void {
  report.cases++
  if (responses.length === 0) report.unanswered++
  for (const { status } of responses) report.statuses.set(status, (report.statuses.get(status) ?? 0) + 1)
  report.slowestMs = Math.max(report.slowestMs, ms)
}

function progress({ cases, findings }: FuzzReport, ms: number, ofMs: number): string {
  const rate = Math.round(cases / (ms / 1_000))
  return `${Math.round(ms / 1_000)} of ${Math.round(ofMs / 1_000)} s | ${cases} cases, ${rate}/s | ${findings.length} findings`
}
