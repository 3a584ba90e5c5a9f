import { ownHost } from '../../internal/console/own-host.ts'
import { signIn } from '../../internal/console/sign-in.ts'
import type { Middleware } from '../../internal/core/request-state.ts'
import { jsonBody } from '../../internal/http/json-body.ts'
import { knownQuery } from '../../internal/http/known-query.ts'
import { rawBody } from '../../internal/http/raw-body.ts'
import { DEMO_OPERATOR_TOKEN } from '../config/demo-credentials.ts'
import { isLoopback } from '../config/demo-mode.ts'

/** What a route of the console asks for. */
export interface GatedRoute {
  /** 'operator': only with the token; undefined: the page itself, which knows nothing. */
  auth?: string
  query?: readonly string[]
  /** It takes a body. */
  json?: string
}

/** An operator may give the whole body of a response. */
const MAX_BODY_BYTES = 1_048_576
const BODY_TIMEOUT_MS = 15_000

/** What a request passes before the handler of a route of the console. All routes count wrong tokens together. */
export function consoleGate(token: string): (route: GatedRoute) => Middleware[] {
  const signedIn = signIn({ token, now: Date.now })
  const bytes = rawBody({ maxBodyBytes: MAX_BODY_BYTES, timeoutMs: BODY_TIMEOUT_MS })
  // A caller with the published token must at least be on this machine.
  const before: readonly Middleware[] = token === DEMO_OPERATOR_TOKEN ? [ownHost(isLoopback)] : []
  return function passed({ auth, query = [], json }) {
    const middlewares = [...before]
    if (auth !== undefined) middlewares.push(signedIn)
    middlewares.push(knownQuery(query))
    if (json !== undefined) middlewares.push(bytes, jsonBody())
    return middlewares
  }
}
