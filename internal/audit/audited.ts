import { headerValues } from '../header-values.ts'
import type { Stage, StageContext } from '../request-state.ts'
import { ServiceError } from '../service-error.ts'
import { type Observation, type Outcome, observedEvent } from './observation.ts'

export interface AuditedOptions {
  /** Takes it without being waited for. */
  observe: (observation: Observation) => void
  /** Method and pattern, such as `POST /pay`. */
  route: string
  /** The key where it is not in the header; undefined if there is none that is valid. */
  keyOf?: (ctx: StageContext) => string | undefined
}

/**
 * Writes into the audit trail what the payments room does not: replays, conflicts and refusals. Stands right behind
 * authentication, so that whatever is refused from there on is seen; a request without a caller leaves nothing. The
 * answer does not wait for the writing.
 */
export function audited({ observe, route, keyOf = keyInHeader }: AuditedOptions): Stage {
  return async function audited(ctx, next) {
    try {
      await next()
    } catch (error) {
      note(ctx, outcomeOfThrown(error))
      throw error
    }
    note(ctx, {
      status: ctx.status,
      replayed: ctx.res.hasHeader('Idempotent-Replayed'),
      problem: ctx.state.problem,
    })
  }

  function note(ctx: StageContext, outcome: Outcome): void {
    const { caller, requestId = '', attempt } = ctx.state
    const eventType = observedEvent(outcome)
    if (eventType === undefined || caller === undefined) return
    observe({
      client: caller.client,
      eventType,
      requestId,
      route,
      status: outcome.status,
      // A replay has passed nothing that could have failed: whatever rendered a problem was not answered.
      code: outcome.replayed ? undefined : outcome.problem?.code,
      key: attempt?.key ?? keyOf(ctx),
    })
  }
}

/** What the edge will make of it. */
function outcomeOfThrown(error: unknown): Outcome {
  if (error instanceof ServiceError) return { status: error.status, replayed: false, problem: error }
  return { status: 500, replayed: false, problem: { code: 'internal_error', effect: 'unknown' } }
}

/** A key as payments take it; whatever else came in the header is not kept. */
const KEY = /^"?([A-Za-z0-9_-]{1,255})"?$/

function keyInHeader(ctx: StageContext): string | undefined {
  const [value = '', ...more] = headerValues(ctx.req.rawHeaders, 'idempotency-key')
  return more.length > 0 ? undefined : KEY.exec(value)?.[1]
}
