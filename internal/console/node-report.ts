import { z } from 'zod'

/** Outcomes of requests in the plot. */
export const OUTCOMES = ['answered', 'replayed', 'conflict', 'limited', 'refused', 'failed'] as const
export type Outcome = (typeof OUTCOMES)[number]

/** A quarter of an hour is a few kilobytes, and the plot still moves. */
export const BUCKET_MS = 10_000
export const BUCKETS = 90

export const NODE_KINDS = ['service', 'sidecar'] as const
export type NodeKind = (typeof NODE_KINDS)[number]

const count = z.number().int().min(0)

const lock = z.object({
  client: z.string(),
  scope: z.string(),
  key: z.string(),
  attempt: z.number(),
  ageMs: z.number(),
})

/** The report of a process. Reports of other versions may lack members. */
export const nodeReport = z.object({
  /** Missing in older versions of the service. */
  kind: z.enum(NODE_KINDS).default('service'),
  version: z.string(),
  /** Since its start. */
  uptimeMs: z.number(),
  /** Of the interval since its last report. */
  requestsPerS: z.number(),
  /** 99th percentile of the delay of the event loop in that interval. */
  eventLoopMs: z.number(),
  residentBytes: z.number(),
  /** Has another name in 0.2.0. */
  inFlight: count.default(0),
  /** Circuit breakers by name. */
  circuits: z.record(z.string(), z.string()).default({}),
  /** `[number of the bucket since 1970, counts in the order of OUTCOMES]`; those without requests are left out. */
  buckets: z.array(z.tuple([count, z.array(count)])).default([]),
  /** The busiest clients of the last minutes, without refusals before authentication. */
  clients: z.array(z.object({ client: z.string(), requests: count, limited: count })).default([]),
  /** The oldest keys that its requests in flight hold. */
  locks: z.array(lock).default([]),
})

export type NodeReport = z.infer<typeof nodeReport>
export type HeldLock = z.infer<typeof lock>
