import { ownHost, signIn } from '../../internal/console/sign-in.ts'
import type { Middleware } from '../../internal/core/request-state.ts'
import { jsonBody } from '../../internal/http/json-body.ts'
import { knownQuery } from '../../internal/http/known-query.ts'
import { rawBody } from '../../internal/http/raw-body.ts'
import { DEMO_OPERATOR_TOKEN, isLoopback } from '../config/demo.ts'

/** A route of the console. */
export interface GatedRoute {
  /** 'operator': only with the token; undefined: the page, which holds no data. */
  auth?: string
  query?: readonly string[]
  /** It takes a body. */
  json?: string
}

/** An operator may send the whole body of a response. */
const MAX_BODY_BYTES = 1_048_576
const BODY_TIMEOUT_MS = 15_000

/** The middlewares before the handler of a console route. All routes count wrong tokens together. */
export function consoleGate(token: string): (route: GatedRoute) => Middleware[] {
  const signedIn = signIn({ token, now: () => performance.now() })
  const bytes = rawBody({ maxBodyBytes: MAX_BODY_BYTES, timeoutMs: BODY_TIMEOUT_MS })
  // The published token is for this machine only.
  const before: readonly Middleware[] = token === DEMO_OPERATOR_TOKEN ? [ownHost(isLoopback)] : []
  return function passed({ auth, query = [], json }) {
    const middlewares = [...before]
    if (auth !== undefined) middlewares.push(signedIn)
    middlewares.push(knownQuery(query))
    if (json !== undefined) middlewares.push(bytes, jsonBody())
    return middlewares
  }
}
