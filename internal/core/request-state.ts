import { hash } from 'node:crypto'
import type Koa from 'koa'
import type { RequestOutcome } from './request-outcome.ts'
import type { ServiceError } from './service-error.ts'

/** The body as it came over the wire: what is signed and what is fingerprinted. */
export class WireBody {
  readonly bytes: Buffer
  #sha256: string | undefined

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  /** Lowercase hex SHA-256 of the bytes; computed once, shared by signature and fingerprint. */
  get sha256(): string {
    this.#sha256 ??= hash('sha256', this.bytes)
    return this.#sha256
  }
}

/** Who sent the request. */
export interface Caller {
  client: string
  /** How the caller proved it: the scheme of the signature (e.g. `v1`), `bearer`, or `open` where no proof is needed. */
  scheme: string
}

/** What the idempotency middleware tells the handler behind it. */
export interface Attempt {
  key: string
  /** Lowercase hex SHA-256 over method, request target and body. */
  fingerprint: string
  /**
   * 1 the first time; more after a takeover: then look first for what the earlier attempt left behind. 0: the key is not
   * claimed, a row of the handler's own is its record.
   */
  number: number
  /** Aborted when the lock is lost or its maximum age is reached. */
  readonly signal: AbortSignal
  /** The handler found the response of an earlier attempt instead of making one: it is marked as a replay. */
  replayed: boolean
  /** The handler's own row under the key, where that is the record of the key; undefined: there is none. */
  row?: RowOutcome | undefined
  /**
   * For handlers that pass the request on to a server that cannot be asked: records, before anything is sent, that
   * from now on no attempt may run it again without knowing the outcome. When it rejects, nothing may be sent.
   */
  dispatched(): Promise<void>
  /** Set by a handler where neither its status nor what it throws tells its outcome. */
  outcome?: RequestOutcome
}

/** 'stands': the response is in the row. `mismatch`: the fingerprint of another request, which has the row. */
export type RowOutcome = 'stands' | { mismatch: string }

/** A JSON body. */
export interface JsonBody {
  /** The value of JSON.parse; no object has a repeated member. */
  value: unknown
  /** Every number as it was written, by its JSON Pointer (RFC 6901): binary floating point must not touch money. */
  numbers: Pick<ReadonlyMap<string, string>, 'get'>
}

/** The trace that the request belongs to (W3C Trace Context), and its own place in it. */
export interface Trace {
  /** 32 hex digits. */
  traceId: string
  /** 16 hex digits: of this request. */
  spanId: string
  /** The span of the caller, if it named one. */
  parentSpanId?: string
  /** The caller records the trace, or we do. */
  sampled: boolean
  tracestate?: string
  /** A span with `spanId` is exported. */
  recorded: boolean
}

/** `ctx.state`: what each middleware leaves for the later ones. */
export interface RequestState {
  /** When it came, on the clock of `performance.now()`. */
  startedMs?: number
  requestId?: string
  trace?: Trace
  /** The pattern of the route, such as `/orders/:id`. */
  route?: string
  body?: WireBody
  caller?: Caller
  attempt?: Attempt
  json?: JsonBody
  /** Turns an error into a problem document on `ctx`, as `problems` does it. */
  renderError?: (ctx: MiddlewareContext, error: unknown) => void
  /** What the problem document says that was put on `ctx`; a middleware may have replaced it by another response since. */
  problem?: ServiceError | undefined
}

export type Middleware = Koa.Middleware<RequestState>
export type MiddlewareContext = Koa.ParameterizedContext<RequestState>

/** What an earlier middleware left. Throws a plain Error, a mistake in the wiring, if that middleware is missing. */
export function required<K extends keyof RequestState>(
  ctx: MiddlewareContext,
  name: K,
  middleware: string,
): NonNullable<RequestState[K]> {
  const value = ctx.state[name]
  if (value === undefined)
    throw new Error(`${middleware} must come before the middleware that needs ctx.state.${name}`)
  return value as NonNullable<RequestState[K]>
}
