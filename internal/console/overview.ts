import type { SeenNode } from './node-board.ts'
import { BUCKET_MS, BUCKETS, type NodeReport, OUTCOMES } from './node-report.ts'

/** A process without a report for so long, three intervals, does not count. */
const GONE_MS = 16_000
const SHOWN_CLIENTS = 12
const SHOWN_LOCKS = 50

/** Adds the reports of all processes up. `nowMs`: Unix milliseconds. */
export function overview(nodes: readonly SeenNode[], nowMs: number) {
  const live = nodes.flatMap(({ silentMs, report }) =>
    report === undefined || silentMs > GONE_MS ? [] : [report],
  )
  const last = Math.floor(nowMs / BUCKET_MS)
  return {
    outcomes: OUTCOMES,
    bucketMs: BUCKET_MS,
    lastBucket: last,
    /** Oldest first; with those of processes that are gone. */
    buckets: sumBuckets(
      nodes.flatMap(({ report }) => report?.buckets ?? []),
      last,
    ),
    requestsPerS: Math.round(live.reduce((sum, { requestsPerS }) => sum + requestsPerS, 0) * 10) / 10,
    inFlight: live.reduce((sum, { inFlight }) => sum + inFlight, 0),
    circuit: worst(live.flatMap(({ circuits }) => Object.values(circuits))),
    clients: sumClients(live),
    locks: live
      .flatMap(({ locks }) => locks)
      .sort((a, b) => b.ageMs - a.ageMs)
      .slice(0, SHOWN_LOCKS),
    nodes: nodes.map(({ id, silentMs, report }) => ({
      id,
      silentMs,
      live: silentMs <= GONE_MS,
      version: report?.version,
      uptimeMs: report?.uptimeMs,
      requestsPerS: report?.requestsPerS,
      eventLoopMs: report?.eventLoopMs,
      residentBytes: report?.residentBytes,
      inFlight: report?.inFlight,
      circuits: report?.circuits,
    })),
  }
}

function sumBuckets(buckets: NodeReport['buckets'], last: number): number[][] {
  const sums = Array.from({ length: BUCKETS }, () => OUTCOMES.map(() => 0))
  for (const [number, counts] of buckets) {
    // undefined: too old, or from a clock that is ahead.
    const sum = sums[number - (last - BUCKETS + 1)]
    if (sum === undefined) continue
    for (const place of OUTCOMES.keys()) sum[place] = (sum[place] ?? 0) + (counts[place] ?? 0)
  }
  return sums
}

function sumClients(reports: readonly NodeReport[]): NodeReport['clients'] {
  const sums = new Map<string, { client: string; requests: number; limited: number }>()
  for (const { client, requests, limited } of reports.flatMap((report) => report.clients)) {
    const sum = sums.get(client) ?? { client, requests: 0, limited: 0 }
    sums.set(client, { client, requests: sum.requests + requests, limited: sum.limited + limited })
  }
  return [...sums.values()].sort((a, b) => b.requests - a.requests).slice(0, SHOWN_CLIENTS)
}

/** The worst state of a breaker; undefined: there is no node. */
function worst(states: readonly string[]): string | undefined {
  return ['open', 'half_open', 'closed'].find((state) => states.includes(state))
}
