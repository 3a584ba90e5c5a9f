import { randomBytes } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import { headerValues } from '../../internal/core/header-values.ts'
import { type Middleware, type MiddlewareContext, required } from '../../internal/core/request-state.ts'
import { ServiceError } from '../../internal/core/service-error.ts'
import { parseIdempotencyKey, STRICT_KEY } from '../../internal/idempotency/idempotency-key.ts'
import { MAX_COPIES, parseSimulationRequest } from '../../internal/payments/simulation-request.ts'
import type { TemporaryApiKeys } from '../../internal/signature/api-keys.ts'
import { sendCopies } from './concurrent-copies.ts'

/** Most simulations take less. */
const RETRY_AFTER_MS = 1_000

/**
 * `POST /api/v1/simulate-concurrent`: sends copies of one payment to this service, all at once, through every middleware.
 * Each simulation is a user of its own, with its own quota. One at a time.
 */
export function simulateConcurrent(keys: TemporaryApiKeys): Middleware {
  let isRunning = false
  return async function simulateConcurrent(ctx) {
    const request = parseSimulationRequest(required(ctx, 'json', 'jsonBody'))
    const { payment } = request
    const copies = copiesInQuery(ctx.query.concurrent_count) ?? request.copies
    const key = keyInHeader(ctx) ?? request.key
    if (isRunning) {
      throw new ServiceError('rate_limited', 'A simulation is in flight; there is one at a time.', {
        retryAfterMs: RETRY_AFTER_MS,
      })
    }
    const user = `simulation-${randomBytes(6).toString('hex')}`
    isRunning = true
    try {
      ctx.set('Cache-Control', 'no-store')
      ctx.body = await sendCopies({
        url: addressOf(ctx.req.socket.localAddress, ctx.req.socket.localPort),
        apiKey: keys.add(user),
        key: key ?? `${user}-0001`,
        payment,
        copies,
        now: () => performance.now(),
        random: Math.random,
      })
    } finally {
      isRunning = false
      keys.remove(user)
    }
  }
}

/** `concurrent_count`, for clients of an earlier system. */
function copiesInQuery(value: string | string[] | undefined): number | undefined {
  if (value === undefined) return undefined
  const copies = typeof value === 'string' && /^\d{1,3}$/.test(value) ? Number(value) : 0
  if (copies >= 2 && copies <= MAX_COPIES) return copies
  throw new ServiceError(
    'invalid_request',
    `concurrent_count must be a whole number from 2 to ${MAX_COPIES}.`,
  )
}

/** The key of the payment in the header. */
function keyInHeader({ req }: MiddlewareContext): string | undefined {
  const sent = headerValues(req.rawHeaders, 'idempotency-key')
  return sent.length === 0 ? undefined : parseIdempotencyKey(sent, STRICT_KEY)
}

/** The address of the request, so that the copies reach the same process. */
function addressOf(address = '127.0.0.1', port = 0): string {
  return `http://${address.includes(':') ? `[${address}]` : address}:${port}`
}
