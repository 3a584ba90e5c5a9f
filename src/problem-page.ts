import type { Stage } from '../internal/request-state.ts'
import { PROBLEMS, ServiceError } from '../internal/service-error.ts'

const PREFIX = '/problems/'

/** `GET /problems/:code`: what the `type` of a problem document points to, `{"code","status","title","retryable"?}`. */
export function problemPage(): Stage {
  return async function problemPage(ctx) {
    const code = ctx.path.slice(PREFIX.length)
    const entry = Object.entries(PROBLEMS).find(([name]) => name === code)
    if (entry === undefined) throw new ServiceError('not_found', 'There is no problem of this name.')
    ctx.body = { code, ...entry[1] }
  }
}
