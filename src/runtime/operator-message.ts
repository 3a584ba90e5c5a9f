import { ServiceError } from '../../internal/core/service-error.ts'
import { explainRefusal } from '../../internal/database/explain-refusal.ts'
import { ConfigError } from '../config/setting.ts'

/** What an operator can mend is said in a line; a stack helps only with what we did not foresee. */
export function operatorMessage(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if ('code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'))
    return `${error.message} (see --help)`
  if (error instanceof ServiceError) return unavailable(error)
  if (error instanceof ConfigError || error.constructor === Error) return error.message
  return error.stack ?? String(error)
}

/** Commands speak to the stores of DATABASE_URL and REDIS_URL; the drivers' messages name host and port. */
function unavailable(error: ServiceError): string {
  return `a store cannot be used (see DATABASE_URL and REDIS_URL): ${explainRefusal(error)}`
}
