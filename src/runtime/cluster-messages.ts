import { z } from 'zod'
import { snapshotSchema } from '../../internal/telemetry/aggregate.ts'

const id = z.int().nonnegative()

/** Messages from the primary to a worker. */
const toWorker = z.discriminatedUnion('type', [
  /** The response to `hello`: `port` is where all of them listen. */
  z.object({ type: z.literal('start'), worker: z.int().positive(), port: z.int() }),
  z.object({ type: z.literal('stop') }),
  z.object({ type: z.literal('reopen_log') }),
  /** Asks for the metrics of this worker. */
  z.object({ type: z.literal('collect'), id }),
  /** The response to `scrape`: the text for `/metrics`. */
  z.object({ type: z.literal('scraped'), id, text: z.string() }),
])

/** Messages from a worker to the primary. */
const toPrimary = z.discriminatedUnion('type', [
  /** The worker receives messages from now on. */
  z.object({ type: z.literal('hello') }),
  z.object({ type: z.literal('ready'), port: z.int() }),
  /** It could not start and exits; `reason` is for the operator. */
  z.object({ type: z.literal('failed'), reason: z.string() }),
  /** The response to `collect`. */
  z.object({ type: z.literal('collected'), id, snapshot: snapshotSchema }),
  /** Asks for the metrics of all workers. */
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
