import { createHash } from 'node:crypto'
import { headerValues } from '../header-values.ts'
import type { Stage, StageContext } from '../request-state.ts'

/** Everybody, where no signature and no header tells callers apart. */
const ANONYMOUS = 'anonymous'

/**
 * Tells whose keys a request may use, where nobody checks signatures: whoever the given header names, `h-` and the
 * beginning of its SHA-256, so that no user name or token gets into keys, logs or limits. Everybody else is one caller.
 */
export function nameCaller(header: string | undefined): Stage {
  return async function nameCaller(ctx, next) {
    ctx.state.caller = { client: clientOf(ctx, header) ?? ANONYMOUS, scheme: 'none' }
    await next()
  }
}

/**
 * What keeps an answer from everybody but whom it was given to: callers that are not told apart must show the same
 * Authorization and X-Api-Key for the same key. Another one makes it another request, which is refused with 409.
 */
export function credentialsOf(ctx: StageContext): string {
  if (ctx.state.caller?.client !== ANONYMOUS) return ''
  const { rawHeaders } = ctx.req
  const keys = headerValues(rawHeaders, 'x-api-key').map((value) => `x-api-key: ${value}`)
  return [...headerValues(rawHeaders, 'authorization'), ...keys].join('\n')
}

/** 128 bits: two callers never meet. */
const DIGITS = 32

function clientOf(ctx: StageContext, header: string | undefined): string | undefined {
  if (header === undefined) return undefined
  const values = headerValues(ctx.req.rawHeaders, header)
  if (values.length === 0) return undefined
  return `h-${createHash('sha256').update(values.join('\n')).digest('hex').slice(0, DIGITS)}`
}
