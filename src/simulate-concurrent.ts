import { randomBytes } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import { parseSimulationRequest } from '../internal/payments/simulation-request.ts'
import { required, type Stage } from '../internal/request-state.ts'
import { ServiceError } from '../internal/service-error.ts'
import type { TemporaryApiKeys } from '../internal/signature/temporary-api-keys.ts'
import { sendCopies } from './concurrent-copies.ts'

/** A simulation takes hardly longer, unless it has to wait for its limits. */
const RETRY_AFTER_MS = 1_000

/**
 * `POST /api/v1/simulate-concurrent`: sends copies of one payment to this very service over HTTP, all at the same time,
 * through every stage that the requests of partners pass. Each simulation is a user of its own, so that it uses up
 * nobody's quota. One at a time: what one request sets off must stay small. Behind jsonBody.
 */
export function simulateConcurrent(keys: TemporaryApiKeys): Stage {
  let isRunning = false
  return async function simulateConcurrent(ctx) {
    const { copies, key, payment } = parseSimulationRequest(required(ctx, 'json', 'jsonBody'))
    if (isRunning) {
      throw new ServiceError('rate_limited', 'A simulation is under way; there is one at a time.', {
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

/** Where the request came in, so that the copies meet the same service, whatever its port. */
function addressOf(address = '127.0.0.1', port = 0): string {
  return `http://${address.includes(':') ? `[${address}]` : address}:${port}`
}
