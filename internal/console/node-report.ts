import { z } from 'zod'

/** What became of requests, as the console plots them. */
export const OUTCOMES = ['answered', 'replayed', 'conflict', 'limited', 'refused', 'failed'] as const
export type Outcome = (typeof OUTCOMES)[number]

/** Long enough that the counts of a quarter of an hour are a few kilobytes, short enough for a plot that moves. */
export const BUCKET_MS = 10_000
export const BUCKETS = 90

/** Which program a process runs; those of one kind are shown together. */
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

/** What a process tells of itself. Other versions may tell less: what is missing counts as nothing. */
export const nodeReport = z.object({
  /** Older versions are those of the service. */
  kind: z.enum(NODE_KINDS).default('service'),
  version: z.string(),
  /** Since its start. */
  uptimeMs: z.number(),
  /** Of the interval since its last report. */
  requestsPerS: z.number(),
  /** 99th percentile of the delay of the event loop in that interval. */
  eventLoopMs: z.number(),
  residentBytes: z.number(),
  /** 0.2.0 has it under another name. */
  inFlight: count.default(0),
  /** Circuit breakers by name. */
  circuits: z.record(z.string(), z.string()).default({}),
  /** `[number of the bucket since 1970, counts in the order of OUTCOMES]`; those without requests are left out. */
  buckets: z.array(z.tuple([count, z.array(count)])).default([]),
  /** The busiest ones of the last minutes, without what was refused before it was known who sent it. */
  clients: z.array(z.object({ client: z.string(), requests: count, limited: count })).default([]),
  /** The oldest keys that its requests in flight hold. */
  locks: z.array(lock).default([]),
})

export type NodeReport = z.infer<typeof nodeReport>
export type HeldLock = z.infer<typeof lock>
