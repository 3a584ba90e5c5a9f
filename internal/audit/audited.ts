import { middleware } from '../core/compose.ts'
import { headerValues } from '../core/header-values.ts'
import type { Middleware, MiddlewareContext } from '../core/request-state.ts'
import { ServiceError } from '../core/service-error.ts'
import { type AuditObservation, type Outcome, observedEvent } from './observation.ts'

export interface AuditedOptions {
  /** Must not block. */
  observe: (observation: AuditObservation) => void
  /** Method and pattern, such as `POST /pay`. */
  route: string
  /** The key, where it is not in the header; undefined without a valid one. */
  keyOf?: (ctx: MiddlewareContext) => string | undefined
}

/**
 * Records replays, conflicts and refusals in the audit trail, in the background. Stands directly behind authentication;
 * requests without a caller are not recorded.
 */
export function audited({ observe, route, keyOf = keyInHeader }: AuditedOptions): Middleware {
  return middleware(
    function audited() {
      return undefined
    },
    function noted(ctx, thrown) {
      note(ctx, thrown === undefined ? outcomeOfResponse(ctx) : outcomeOfThrown(thrown))
      return thrown
    },
  )

  function note(ctx: MiddlewareContext, outcome: Outcome): void {
    const { caller, requestId = '', attempt } = ctx.state
    const eventType = observedEvent(outcome)
    if (eventType === undefined || caller === undefined) return
    observe({
      client: caller.client,
      eventType,
      requestId,
      route,
      status: outcome.status,
      // A replay has no problem document.
      code: outcome.replayed ? undefined : outcome.problem?.code,
      key: attempt?.key ?? keyOf(ctx),
    })
  }
}

function outcomeOfResponse({ status, res, state: { problem } }: MiddlewareContext): Outcome {
  return { status, replayed: res.hasHeader('Idempotent-Replayed'), problem }
}

/** The response to an error. */
function outcomeOfThrown(error: unknown): Outcome {
  if (error instanceof ServiceError) return { status: error.status, replayed: false, problem: error }
  return { status: 500, replayed: false, problem: { code: 'internal_error', effect: 'unknown' } }
}

/** A key of a payment; other values are not stored. */
const KEY = /^"?([A-Za-z0-9_-]{1,255})"?$/

function keyInHeader(ctx: MiddlewareContext): string | undefined {
  const [value = '', ...more] = headerValues(ctx.req.rawHeaders, 'idempotency-key')
  return more.length > 0 ? undefined : KEY.exec(value)?.[1]
}
