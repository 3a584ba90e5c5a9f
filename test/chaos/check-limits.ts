import type { Evidence } from './evidence.ts'
import type { FaultKind } from './fault-kinds.ts'
import type { Exchange } from './history.ts'
import type { Violation } from './invariants.ts'
import { PROBE } from './run-plan.ts'

/** Redis loses its state in them, or its clock jumps over a window: one extra burst each. */
const LOSSES: ReadonlySet<FaultKind> = new Set(['redis-flush', 'redis-restart', 'redis-evict', 'redis-clock'])

/** Invariants 7 and 9. */
export function checkLimits(evidence: Evidence): Violation[] {
  return [...tooMany(evidence), ...unauthenticated(evidence)]
}

/**
 * An admission is somewhere between the sending and the response. Those that certainly lie within one window are counted:
 * what could be explained by another place in time is not held against the service.
 */
function tooMany({ plan, outcome, exchanges }: Evidence): Violation[] {
  const { limit, nodes } = plan
  if (limit === null) return []
  const found: Violation[] = []
  const { quota, windowMs } = limit
  const losses = outcome.faults.filter(({ kind }) => LOSSES.has(kind))
  for (const [client, own] of admittedByClient(exchanges)) {
    const counts = countsWithin(own, windowMs)
    for (let i = 0; i < own.length; i++) {
      const from = own[i]?.sent.at ?? 0
      const to = from + windowMs
      const count = counts[i] ?? 0
      if (count <= quota) continue
      const overlaps = (begin: number, end: number) => begin < to && end > from - windowMs
      const lost = losses.filter(({ beganAt, endedAt }) => overlaps(beganAt, endedAt)).length
      const away = outcome.limiterOutages.some((outage) => overlaps(outage.from, outage.to))
      const allowed = quota * (1 + lost + (away ? nodes : 0))
      if (count > allowed) {
        found.push({
          invariant: 7,
          what: `${client} was admitted ${count} times within ${windowMs} ms of ${own[i]?.sent.id}; the limit is ${allowed}`,
        })
        // Each excess is told once.
        i += count
      }
    }
  }
  return found
}

/**
 * For each of them, how many were sent and had ended within a window that begins with its sending. Both ends of the window
 * only move on, so that each is added once, when the window reaches its end, and taken away once, when it leaves its beginning.
 */
export function countsWithin(own: readonly Exchange[], windowMs: number): number[] {
  const byEnd = own.map((_, n) => n).sort((a, b) => (own[a]?.endAt ?? 0) - (own[b]?.endAt ?? 0))
  let [reached, count] = [0, 0]
  return own.map(({ sent, endAt }, i) => {
    const to = sent.at + windowMs
    for (; reached < byEnd.length; reached++) {
      const n = byEnd[reached] ?? 0
      if ((own[n]?.endAt ?? 0) > to) break
      if (n >= i) count++
    }
    const within = count
    if (endAt <= to) count--
    return within
  })
}

function admittedByClient(exchanges: readonly Exchange[]): Map<string, Exchange[]> {
  const clients = new Map<string, Exchange[]>()
  for (const exchange of exchanges) {
    const { sent, response } = exchange
    if (sent.kind === 'forged' || response === undefined || response.remaining === null) continue
    if (response.status === 429) continue
    const own = clients.get(sent.client)
    if (own === undefined) clients.set(sent.client, [exchange])
    else own.push(exchange)
  }
  return clients
}

function unauthenticated({ plan, outcome, exchanges }: Evidence): Violation[] {
  const found: Violation[] = []
  for (const { sent, response } of exchanges) {
    if (sent.kind !== 'forged' || response === undefined) continue
    if (response.status !== 401 && response.status !== 503) {
      found.push({
        invariant: 9,
        what: `${sent.id} was forged, and got ${response.status} ${response.code}`,
      })
    }
    if (response.remaining !== null) {
      found.push({ invariant: 9, what: `${sent.id} was forged, and counted in the limits of ${sent.client}` })
    }
  }
  if (plan.limit === null) return found
  // What the probe has left tells whether another client has used its quota.
  const { quota, windowMs } = plan.limit
  const probes = exchanges.filter(({ sent }) => sent.client === PROBE && sent.kind === 'probe')
  // Admissions that were counted while the clock of Redis was ahead are in its future when it is right, and count anew.
  const steps = outcome.faults.filter(({ kind }) => kind === 'redis-clock')
  const isStepped = (from: number, to: number) =>
    steps.some(({ beganAt, endedAt }) => beganAt < to && endedAt > from - windowMs)
  for (const [n, { sent, response, endAt }] of probes.entries()) {
    if (response === undefined || response.remaining === null || isStepped(sent.at, endAt)) continue
    let own = 1
    for (let i = n - 1; i >= 0; i--) {
      const before = probes[i]
      if (before === undefined || sent.at - before.sent.at > 60_000) break
      // One without a response may have been admitted late; one from a clock that was ahead counts anew at the next look.
      const isAhead = steps.some(({ beganAt, endedAt }) => beganAt < before.endAt && endedAt > before.sent.at)
      if (before.response === undefined || isAhead || before.endAt > sent.at - windowMs) own++
    }
    if (response.remaining < quota - own && endAt > sent.at) {
      found.push({
        invariant: 9,
        what: `${sent.id} has ${response.remaining} of ${quota} left after ${own} of its own`,
      })
    }
  }
  return found
}
