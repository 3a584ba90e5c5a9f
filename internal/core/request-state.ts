import { hash } from 'node:crypto'
import type Koa from 'koa'
import type { RequestOutcome } from './request-outcome.ts'
import type { ServiceError } from './service-error.ts'

/** The received bytes of a body, which are what is signed and fingerprinted. */
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
  /** How the caller authenticated: the scheme of the signature (e.g. `v1`), `bearer`, or `open` without credentials. */
  scheme: string
}

/** What the idempotency middleware passes to the handler. */
export interface Attempt {
  key: string
  /** Lowercase hex SHA-256 over method, request target and body. */
  fingerprint: string
  /**
   * 1 for the first attempt; more after a takeover: then the handler must first look for the result of the earlier
   * attempt. 0: the key is not claimed, because the row of the handler is its record.
   */
  number: number
  /** Aborted when the lock is lost or its maximum age is reached. */
  readonly signal: AbortSignal
  /** Set by a handler that found the response of an earlier attempt; the response is marked as a replay. */
  replayed: boolean
  /** The result of the handler's row, if that row is the record of the key. */
  row?: RowOutcome | undefined
  /**
   * For handlers that forward the request to a server whose outcome cannot be read back. Call it before anything is sent:
   * it records that from now on no attempt may send the request again. If it rejects, nothing may be sent.
   */
  dispatched(): Promise<void>
  /** Set by a handler if neither its status nor its error shows the outcome. */
  outcome?: RequestOutcome
}

/** 'stands': the response is in the row. `mismatch`: the fingerprint of another request, to which the row belongs. */
export type RowOutcome = 'stands' | { mismatch: string }

/** A JSON body. */
export interface JsonBody {
  /** The value of JSON.parse; no object has a repeated member. */
  value: unknown
  /** The text of every number by its JSON Pointer (RFC 6901), because amounts must not become binary floating point. */
  numbers: Pick<ReadonlyMap<string, string>, 'get'>
}

/** The trace of the request (W3C Trace Context) and the span of the request in it. */
export interface Trace {
  /** 32 hex digits. */
  traceId: string
  /** The span of this request: 16 hex digits. */
  spanId: string
  /** The span of the caller, if it sent one. */
  parentSpanId?: string
  /** Whether the caller or this service records the trace. */
  sampled: boolean
  tracestate?: string
  /** Whether a span with `spanId` is exported. */
  recorded: boolean
}

/** `ctx.state`: values that middleware sets for later middleware. */
export interface RequestState {
  /** The start of the request, by `performance.now()`. */
  startedMs?: number
  requestId?: string
  trace?: Trace
  /** The pattern of the route, such as `/orders/:id`. */
  route?: string
  body?: WireBody
  caller?: Caller
  attempt?: Attempt
  json?: JsonBody
  /** Writes the problem document of an error to `ctx`; set by `problems`. */
  renderError?: (ctx: MiddlewareContext, error: unknown) => void
  /** The error of the problem document that was written to `ctx`; a later middleware may have replaced the response. */
  problem?: ServiceError | undefined
}

export type Middleware = Koa.Middleware<RequestState>
export type MiddlewareContext = Koa.ParameterizedContext<RequestState>

/** A value that an earlier middleware has set. Throws an Error if that middleware is missing. */
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
