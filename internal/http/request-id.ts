import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Stage } from '../request-state.ts'
import { before } from '../stages.ts'

/** A caller's own id is taken if it cannot do harm in a log line or a header. */
const ACCEPTED = /^[\w.-]{1,64}$/

/** Every answer carries `X-Request-Id`: the caller's, or a new one. */
export function requestId(): Stage {
  return before(function requestId(ctx) {
    const id = requestIdOf(ctx.req)
    ctx.state.requestId = id
    ctx.res.setHeader('X-Request-Id', id)
  })
}

export function requestIdOf(req: IncomingMessage): string {
  const given = req.headers['x-request-id']
  return typeof given === 'string' && ACCEPTED.test(given) ? given : randomUUID()
}
