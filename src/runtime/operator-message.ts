import { ServiceError } from '../../internal/core/service-error.ts'
import { explainRefusal } from '../../internal/database/explain-refusal.ts'
import { ConfigError } from '../config/setting.ts'

/** One line for errors that an operator can correct; a stack only for defects. */
export function operatorMessage(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if ('code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'))
    return `${error.message} (see --help)`
  // The messages of the drivers name host and port.
  if (error instanceof ServiceError)
    return `a store cannot be used (see DATABASE_URL and REDIS_URL): ${explainRefusal(error)}`
  if (error instanceof ConfigError || error.constructor === Error) return error.message
  return error.stack ?? String(error)
}
