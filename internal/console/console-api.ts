import { z } from 'zod'
import { requestJson, respondJson } from '../core/json-content.ts'
import { clientName, operatorName, operatorReason } from '../core/operator-fields.ts'
import { parseBody } from '../core/parse-body.ts'
import type { Middleware } from '../core/request-state.ts'
import { ServiceError } from '../core/service-error.ts'
import type { Resolver, StoredResponse } from '../idempotency/store.ts'
import { type LifeOptions, lifeOfKey } from './life-of-key.ts'
import type { NodeBoard } from './node-board.ts'
import type { NodeKind } from './node-report.ts'
import { openOutcomes, seenOf } from './open-outcomes.ts'
import { overview } from './overview.ts'
import type { ClientStanding } from './shown.ts'

/** The outcome of a payment, given by an operator. */
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
  kind: NodeKind
  nodes: NodeBoard
  /** The client whose keys a search on the page begins with. */
  searchClient: string
  /** The limits of a client, without using them. */
  standings: (client: string) => Promise<ClientStanding[]>
  /** false: the payment has changed since. undefined: there are no payments. */
  settle?: (settling: Settling) => Promise<boolean>
  /** Unix milliseconds. */
  now: () => number
}

export interface ConsoleApi {
  overview: Middleware
  key: Middleware
  resolveKey: Middleware
  settlePayment: Middleware
}

/** Clients whose limits an overview reads. */
const STANDINGS = 8

const text = z.string().min(1, 'must not be empty').max(20_000, 'is too long')

/** Or ''. The first slash ends the type, so that matching is linear. */
const CONTENT_TYPE = /^(?:[!-.0-~]{1,127}\/[ -~]{1,255})?$/

const SEARCH = z.object({
  client: clientName,
  key: z.string().regex(/^[\x21-\x7e]{1,255}$/, 'must be 1 to 255 visible ASCII characters'),
  scope: text.optional(),
})

const RESOLVE = z.strictObject({
  client: text,
  scope: text,
  key: text,
  seen: text,
  by: operatorName,
  reason: operatorReason,
  /** undefined: nothing took effect. */
  response: z
    .strictObject({
      status: z.number().int().min(200).max(599),
      contentType: z.string().regex(CONTENT_TYPE, 'must be like application/json'),
      body: z.string(),
    })
    .optional(),
})

const SETTLE = z.strictObject({
  client: clientName,
  id: z.uuid('must be a transaction id'),
  attempt: z.number().int().min(1),
  state: z.enum(['completed', 'declined']),
  chargeId: z
    .string()
    .regex(/^[\x21-\x7e]{1,255}$/, 'must be 1 to 255 visible ASCII characters')
    .optional(),
  by: operatorName,
  reason: operatorReason,
})

/** The API of the console. Behind signIn, and changes behind jsonBody. Every change is audited. */
export function consoleApi(options: ConsoleOptions): ConsoleApi {
  const { kind, searchClient, nodes: board, ledger, records, standings, settle, now } = options
  const open = openOutcomes(ledger, records)
  return {
    async overview(ctx) {
      const [nodes, outcomes] = await Promise.all([board.read(), open.look()])
      const seen = overview(nodes, now())
      const clients = await Promise.all(
        seen.clients.map(async (one, place) => ({
          ...one,
          // The page is needed above all while the limiter is away.
          standings: place < STANDINGS ? await standings(one.client).catch(() => undefined) : undefined,
        })),
      )
      respondJson(ctx, { kind, searchClient, ...seen, clients, ...outcomes })
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
      respondJson(ctx, await lifeOfKey(options, client, key, scope))
    },
    async resolveKey(ctx) {
      const { seen, by, reason, response: said, ...id } = parseBody(RESOLVE, requestJson(ctx), 'resolution')
      const record = await records.show(id)
      const done =
        record?.state === 'unknown' &&
        seenOf(record) === seen &&
        (await records.resolve(id, record.held, outcome(said), { by, reason } satisfies Resolver))
      open.forget()
      respondJson(ctx, { done })
    },
    async settlePayment(ctx) {
      const settling = parseBody(SETTLE, requestJson(ctx), 'settlement')
      const { state, chargeId } = settling
      if ((state === 'completed') !== (chargeId !== undefined)) {
        const rule = state === 'completed' ? 'is needed: what the gateway calls it' : 'is for a completed one'
        throw new ServiceError('validation_failed', `chargeId ${rule}.`, {
          errors: [{ pointer: '/chargeId', detail: rule }],
        })
      }
      const done = settle !== undefined && (await settle({ ...settling, chargeId }))
      open.forget()
      respondJson(ctx, { done })
    },
  }
}

function outcome(said: z.infer<typeof RESOLVE>['response']): StoredResponse | 'not_executed' {
  if (said === undefined) return 'not_executed'
  const { status, contentType, body } = said
  const headers: StoredResponse['headers'] = contentType === '' ? {} : { 'Content-Type': contentType }
  return { status, headers, body: Buffer.from(body) }
}
