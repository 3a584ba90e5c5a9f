import { once } from 'node:events'
import { createWriteStream, readFileSync, type WriteStream } from 'node:fs'
import { z } from 'zod'

/** What runs of events write down beside the history of the partners. Times as in the history, unless they are `wall`. */
const text = z.string()

/** A webhook as it arrived at a receiver, and what the receiver did. */
export const webhook = z.strictObject({
  at: z.number(),
  /** Unix ms. */
  wall: z.number(),
  receiver: z.number().int(),
  id: text,
  timestamp: text,
  signature: text,
  /** Of the body; '' where it was not read. */
  sha: text,
  /** Where these bytes came for the first time in the run; null: see the record with the same `sha` before. */
  body: text.nullable(),
  /** Of its response; 0: the receiver said none. */
  status: z.number().int(),
  mood: text,
})
export type WebhookRecord = z.infer<typeof webhook>

/** A page as a reader got it. */
export const page = z.strictObject({
  at: z.number(),
  reader: text,
  client: text,
  /** What it began with: '' the first event, `now`. */
  from: z.enum(['', 'now']),
  /** undefined: all. */
  type: text.optional(),
  /** Id and hash of the bytes of each event. */
  events: z.array(z.tuple([text, text])),
})
export type PageRecord = z.infer<typeof page>

/** A receiver with its endpoint, when the run is over. */
export const receiverRecord = z.strictObject({
  n: z.number().int(),
  client: text,
  id: text,
  types: z.array(text).nullable(),
  secrets: z.array(
    z.strictObject({
      secret: text,
      /** The request that made it was sent. */
      from: z.number(),
      /** The one after it was there, and its overlap over; null: it is the newest. */
      until: z.number().nullable(),
    }),
  ),
  /** A response with a new secret was lost, until the next one came. */
  unknown: z.array(z.strictObject({ from: z.number(), to: z.number() })),
})
export type ReceiverRecord = z.infer<typeof receiverRecord>

/** What PostgreSQL holds of events in the end, read without the service; events in the order of the list. */
export const eventRows = z.strictObject({
  events: z.array(
    z.strictObject({
      client: text,
      object: text,
      type: text,
      /** Unix ms. */
      at: z.number(),
      /** Of webhook_endpoint.disabled. */
      endpoint: text.nullable(),
    }),
  ),
  endpoints: z.array(z.strictObject({ client: text, id: text, state: text })),
  deliveries: z.array(
    z.strictObject({
      endpoint: text,
      object: text,
      type: text,
      state: text,
      attempts: z.number().int(),
      failures: z.number().int(),
      error: text.nullable(),
    }),
  ),
})
export type EventRows = z.infer<typeof eventRows>

/** Lines that are on their way to a file; the process that writes them is never killed. */
export class JsonLines<T> {
  readonly #stream: WriteStream

  constructor(file: string) {
    this.#stream = createWriteStream(file)
  }

  write(record: T): void {
    this.#stream.write(`${JSON.stringify(record)}\n`)
  }

  async close(): Promise<void> {
    this.#stream.end()
    await once(this.#stream, 'close')
  }
}

export function readJsonLines<T>(file: string, record: z.ZodType<T>): T[] {
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
  return lines.map((line) => record.parse(JSON.parse(line)))
}
