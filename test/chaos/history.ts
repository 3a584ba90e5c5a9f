import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { z } from 'zod'

/** Milliseconds of the monotonic clock: one clock for all processes of a machine, and it is never set back. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/**
 * ask: wants its response and is repeated until it has it. once: is never repeated. leave: the client goes away midway.
 * half: the client sends half of the body and goes away. forged: not signed as it should be. invalid: signed, but no
 * order. copy: one of many at once, not repeated. conflict: another request under a key that has its response. late: long after the response was to be forgotten. sweep: after all is well again. burst: many reads at once.
 * probe: a client that never comes near its limit.
 */
export const SEND_KINDS = [
  ...([
    'ask',
    'once',
    'leave',
    'half',
    'forged',
    'invalid',
    'copy',
    'conflict',
    'late',
    'sweep',
    'burst',
    'probe',
  ] as const),
] as const
export type SendKind = (typeof SEND_KINDS)[number]

const value = z.record(z.string(), z.union([z.string(), z.number()]))

/** Written, and on the disk, before the first byte of the request is sent. */
const sent = z.strictObject({
  t: z.literal('sent'),
  at: z.number(),
  id: z.string(),
  client: z.string(),
  /** '' where the route takes none. */
  key: z.string(),
  kind: z.enum(SEND_KINDS),
  node: z.number().int(),
  /** Method and request target. */
  target: z.string(),
  /** SHA-256 of the body as it would be whole. */
  sha: z.string(),
  /** What the request asks for. */
  value,
  /** The signature, to be looked for where it must not be; '' without one. */
  signature: z.string(),
})

const answered = z.strictObject({
  t: z.literal('answered'),
  at: z.number(),
  id: z.string(),
  status: z.number().int(),
  /** Of a problem document, else ''. */
  code: z.string(),
  detail: z.string(),
  sha: z.string(),
  replayed: z.boolean(),
  /** Of the header, '' without. */
  retryAfter: z.string(),
  /** What is replayed beside the body. */
  type: z.string(),
  location: z.string(),
  /** X-RateLimit-Remaining; null without. */
  remaining: z.number().nullable(),
  /** A secret was in the response. */
  leaked: z.boolean(),
})

const lost = z.strictObject({ t: z.literal('lost'), at: z.number(), id: z.string(), error: z.string() })

const record = z.discriminatedUnion('t', [sent, answered, lost])
export type HistoryRecord = z.infer<typeof record>
export type Sent = z.infer<typeof sent>
export type Answered = z.infer<typeof answered>

/** A request with its end. Without one its partner was killed before it. */
export interface Exchange {
  sent: Sent
  /** undefined: none came. */
  response?: Answered
  /** When it had ended, one way or another. */
  endAt: number
  error?: string
}

/** Reads what the partners wrote, in the order of sending. A last line that was cut by a kill is left out. */
export async function readHistory(files: readonly string[]): Promise<Exchange[]> {
  const exchanges = new Map<string, Exchange>()
  for (const file of files) {
    for await (const line of createInterface({ input: createReadStream(file) })) {
      const one = parseLine(line)
      if (one !== undefined) add(exchanges, one)
    }
  }
  return [...exchanges.values()].sort((a, b) => a.sent.at - b.sent.at)
}

/** The same from records in memory. */
export function historyOf(records: readonly HistoryRecord[]): Exchange[] {
  const exchanges = new Map<string, Exchange>()
  for (const one of records) add(exchanges, one)
  return [...exchanges.values()].sort((a, b) => a.sent.at - b.sent.at)
}

function parseLine(line: string): HistoryRecord | undefined {
  let json: unknown
  try {
    json = JSON.parse(line)
  } catch {
    return undefined
  }
  return record.parse(json)
}

function add(exchanges: Map<string, Exchange>, one: HistoryRecord): void {
  if (one.t === 'sent') {
    if (exchanges.has(one.id)) throw new Error(`two requests are called ${one.id}`)
    exchanges.set(one.id, { sent: one, endAt: Number.POSITIVE_INFINITY })
    return
  }
  const exchange = exchanges.get(one.id)
  if (exchange === undefined) throw new Error(`${one.id} has an end and was never sent`)
  exchange.endAt = one.at
  if (one.t === 'answered') exchange.response = one
  else exchange.error = one.error
}
