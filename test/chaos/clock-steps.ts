import { setTimeout as sleep } from 'node:timers/promises'
import type { FakeClock } from './fake-clock.ts'
import type { FaultContext, Hit } from './fault-context.ts'
import type { PlannedFault } from './schedule.ts'

const IN_FLIGHT = 4
const NOTICE_MS = 5_000
const NEAR_MS = 600
/** Each process of PostgreSQL reads the file of the clock anew by itself, when what it knows is as old as that. */
const EACH_PROCESS_MS = 1_200
const MINUTE_MS = 60_000

/** Steps the clock by minutes or hours, forward or back, and puts it right at the end: it steps both ways in any case. */
export async function stepAndBack(
  clock: FakeClock,
  seenMs: () => Promise<number>,
  fault: PlannedFault,
  faultContext: FaultContext,
): Promise<Hit> {
  const usual = clock.offsetMs
  const sign = fault.roll * 100 - Math.floor(fault.roll * 100) < 0.5 ? -1 : 1
  const stepMs = Math.round(sign * (1 + fault.roll * 100) * MINUTE_MS)
  const hit = await step(clock, usual + stepMs, seenMs, fault, faultContext)
  clock.set(usual)
  await noticed(usual, seenMs)
  return { hit, detail: `off by ${Math.round(stepMs / 1_000)} s, and right again` }
}

/**
 * A clock that was ahead is put right by some minutes, or goes ahead by a second: for a gateway that does not deduplicate,
 * whose charges are taken as not made when they do not show for some seconds. A jump ahead over these is outside of the
 * promise.
 */
export async function stepBackForGood(
  clock: FakeClock,
  seenMs: () => Promise<number>,
  fault: PlannedFault,
  faultContext: FaultContext,
): Promise<Hit> {
  const stepMs = fault.roll < 0.3 ? 1_000 : -Math.round((1 + fault.roll * 10) * MINUTE_MS)
  const hit = await step(clock, clock.offsetMs + stepMs, seenMs, fault, faultContext)
  return { hit, detail: `stepped by ${Math.round(stepMs / 1_000)} s` }
}

async function step(
  clock: FakeClock,
  offsetMs: number,
  seenMs: () => Promise<number>,
  fault: PlannedFault,
  faultContext: FaultContext,
): Promise<boolean> {
  await faultContext.event('fire', { node: fault.node, count: IN_FLIGHT })
  clock.set(offsetMs)
  const hit = await noticed(offsetMs, seenMs)
  await faultContext.event('fire', { node: fault.node + 1, count: IN_FLIGHT })
  await sleep(fault.forMs)
  return hit
}

/** Whether the server shows this offset, and waits until all of it does. */
async function noticed(offsetMs: number, seenMs: () => Promise<number>): Promise<boolean> {
  const untilMs = performance.now() + NOTICE_MS
  while (performance.now() < untilMs) {
    const seen = await seenMs().catch(() => Number.NaN)
    if (Math.abs(seen - offsetMs) < NEAR_MS) {
      await sleep(EACH_PROCESS_MS)
      return true
    }
    await sleep(100)
  }
  return false
}
