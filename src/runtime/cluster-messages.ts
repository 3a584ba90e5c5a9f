import { z } from 'zod'
import { snapshotSchema } from '../../internal/telemetry/aggregate.ts'

const id = z.int().nonnegative()

/** What the primary tells a worker. */
const toWorker = z.discriminatedUnion('type', [
  /** The response to `hello`: `port` is where all of them listen. */
  z.object({ type: z.literal('start'), worker: z.int().positive(), port: z.int() }),
  z.object({ type: z.literal('stop') }),
  z.object({ type: z.literal('reopen_log') }),
  /** Asks for the figures of this worker. */
  z.object({ type: z.literal('collect'), id }),
  /** The figures of all, as text for `/metrics`: the response to `scrape`. */
  z.object({ type: z.literal('scraped'), id, text: z.string() }),
])

/** What a worker tells the primary. */
const toPrimary = z.discriminatedUnion('type', [
  /** It listens to messages; what was sent before is lost. */
  z.object({ type: z.literal('hello') }),
  z.object({ type: z.literal('ready'), port: z.int() }),
  /** It could not start, and ends; `reason` is for the operator. */
  z.object({ type: z.literal('failed'), reason: z.string() }),
  /** The response to `collect`. */
  z.object({ type: z.literal('collected'), id, snapshot: snapshotSchema }),
  /** Asks for the figures of all. */
  z.object({ type: z.literal('scrape'), id }),
])

export type ToWorker = z.infer<typeof toWorker>
export type ToPrimary = z.infer<typeof toPrimary>

/** undefined: not one of ours. */
export function parseToWorker(message: unknown): ToWorker | undefined {
  return toWorker.safeParse(message).data
}

export function parseToPrimary(message: unknown): ToPrimary | undefined {
  return toPrimary.safeParse(message).data
}
