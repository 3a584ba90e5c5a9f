import { z } from 'zod'
import type { Database } from '../database/database.ts'
import type { KeyRecords } from '../idempotency/key-records.ts'
import type { Answer, Resolver } from '../idempotency/store.ts'
import { parseBody } from '../parse-body.ts'
import { required, type Stage, type StageContext } from '../request-state.ts'
import { ServiceError } from '../service-error.ts'
import { type LifeOptions, lifeOfKey } from './life-of-key.ts'
import { openOutcomes, seenOf } from './open-outcomes.ts'
import { overview } from './overview.ts'
import { readNodes } from './read-nodes.ts'

/** Where a client stands in one of its limits. */
export interface ClientStanding {
  /** Of which routes. */
  group: string
  name: string
  quota: number
  remaining: number
  allowed: boolean
  resetAfterMs: number
}

/** What an operator says of a payment that the gateway did not tell about. */
export interface Settling {
  client: string
  id: string
  attempt: number
  state: 'completed' | 'declined'
  chargeId: string | undefined
  by: string
  reason: string
}

export interface ConsoleOptions extends LifeOptions {
  database: Database
  records: KeyRecords
  /** Of one client, without using any. */
  standings: (client: string) => Promise<ClientStanding[]>
  /** false: the payment has changed since. */
  settle: (settling: Settling) => Promise<boolean>
  /** Unix milliseconds. */
  now: () => number
}

export interface ConsoleApi {
  overview: Stage
  key: Stage
  resolveKey: Stage
  settlePayment: Stage
}

/** The limits of as many clients are looked at for each overview. */
const STANDINGS = 8

/** Printable, as everywhere in the audit trail. */
const note = z
  .string()
  .regex(/^[^\p{Cc}\p{Cs}]{1,500}$/u, 'must be 1 to 500 characters, no control characters')
const operator = z.string().regex(/^[\p{L}\p{N} ._@-]{1,60}$/u, 'must be 1 to 60 letters, digits, . _ @ -')
const client = z.string().regex(/^[A-Za-z0-9._-]{1,64}$/, 'must be 1 to 64 of A-Z a-z 0-9 . _ -')
const text = z.string().min(1, 'must not be empty').max(20_000, 'is too long')

const SEARCH = z.object({
  client,
  key: z.string().regex(/^[\x21-\x7e]{1,255}$/, 'must be 1 to 255 visible ASCII characters'),
  scope: text.optional(),
})

const RESOLVE = z.strictObject({
  client: text,
  scope: text,
  key: text,
  seen: text,
  by: operator,
  reason: note,
  /** undefined: nothing took effect. */
  answer: z
    .strictObject({
      status: z.number().int().min(200).max(599),
      contentType: z.string().regex(/^([\x21-\x7e]+\/[\x20-\x7e]+)?$/, 'must be like application/json'),
      body: z.string(),
    })
    .optional(),
})

const SETTLE = z.strictObject({
  client,
  id: z.uuid('must be a transaction id'),
  attempt: z.number().int().min(1),
  state: z.enum(['completed', 'declined']),
  chargeId: z
    .string()
    .regex(/^[\x21-\x7e]{1,255}$/, 'must be 1 to 255 visible ASCII characters')
    .optional(),
  by: operator,
  reason: note,
})

/** What the page of the console asks. Behind signIn, the changes behind jsonBody too. Every change is audited. */
export function consoleApi(options: ConsoleOptions): ConsoleApi {
  const { database, records, standings, settle, now } = options
  const open = openOutcomes(database, records)
  return {
    async overview(ctx) {
      const [nodes, outcomes] = await Promise.all([readNodes(database), open.look()])
      const seen = overview(nodes, now())
      const clients = await Promise.all(
        seen.clients.map(async (one, place) => ({
          ...one,
          // A limiter that is away says nothing; the rest of the page is worth seeing then above all.
          standings: place < STANDINGS ? await standings(one.client).catch(() => undefined) : undefined,
        })),
      )
      answer(ctx, { ...seen, clients, ...outcomes })
    },
    async key(ctx) {
      const query = new URL(ctx.url, 'http://console').searchParams
      const { client, key, scope } = parseBody(
        SEARCH,
        {
          client: query.get('client') ?? '',
          key: query.get('key') ?? '',
          scope: query.get('scope') || undefined,
        },
        'search',
      )
      answer(ctx, await lifeOfKey(options, client, key, scope))
    },
    async resolveKey(ctx) {
      const { seen, by, reason, answer: said, ...id } = parseBody(RESOLVE, json(ctx), 'resolution')
      const record = await records.show(id)
      const done =
        record?.state === 'unknown' &&
        seenOf(record) === seen &&
        (await records.resolve(id, record.held, outcome(said), { by, reason } satisfies Resolver))
      open.forget()
      answer(ctx, { done })
    },
    async settlePayment(ctx) {
      const settling = parseBody(SETTLE, json(ctx), 'settlement')
      const { state, chargeId } = settling
      if ((state === 'completed') !== (chargeId !== undefined)) {
        const rule = state === 'completed' ? 'is needed: what the gateway calls it' : 'is for a completed one'
        throw new ServiceError('validation_failed', `chargeId ${rule}.`, {
          errors: [{ pointer: '/chargeId', detail: rule }],
        })
      }
      const done = await settle({ ...settling, chargeId })
      open.forget()
      answer(ctx, { done })
    },
  }
}

function outcome(said: z.infer<typeof RESOLVE>['answer']): Answer | 'nothing happened' {
  if (said === undefined) return 'nothing happened'
  const { status, contentType, body } = said
  const headers: Answer['headers'] = contentType === '' ? {} : { 'Content-Type': contentType }
  return { status, headers, body: Buffer.from(body) }
}

function json(ctx: StageContext): unknown {
  return required(ctx, 'json', 'jsonBody').value
}

function answer(ctx: StageContext, value: object): void {
  ctx.set('Content-Type', 'application/json; charset=utf-8')
  ctx.body = JSON.stringify(value)
}
