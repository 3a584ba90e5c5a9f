import { createHash } from 'node:crypto'
import type { Middleware, MiddlewareContext } from '../core/request-state.ts'
import { type CallerSource, shownBy } from './caller-source.ts'
import { credentialsOf } from './telling-headers.ts'

/** The caller of requests without a name. */
export const ANONYMOUS = 'anonymous'

/** The prefix of client names by source. */
const LETTERS = { header: 'h', cookie: 'c', jwt: 'j' } as const
/** 128 bits, so that names do not collide. */
const DIGITS = 32

/**
 * Names the caller without signatures: `h-`, `c-` or `j-` and a part of the SHA-256 of its value, so that no name or
 * token gets into keys and logs. Requests without a value have one caller, `anonymous`.
 */
export function nameCaller(source: CallerSource | undefined): Middleware {
  return function nameCaller(ctx, next) {
    ctx.state.caller = { client: clientOf(ctx, source), scheme: 'none' }
    return next()
  }
}

/** The credentials that a stored response is bound to; none for named callers, whose tokens may be refreshed. */
export function boundCredentials(ctx: MiddlewareContext): string {
  return ctx.state.caller?.client === ANONYMOUS ? credentialsOf(ctx) : ''
}

function clientOf({ req }: MiddlewareContext, source: CallerSource | undefined): string {
  const shown = source === undefined ? '' : shownBy(source, req.rawHeaders)
  if (source === undefined || shown === '') return ANONYMOUS
  return `${LETTERS[source.kind]}-${createHash('sha256').update(shown).digest('hex').slice(0, DIGITS)}`
}
