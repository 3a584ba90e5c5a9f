import { hash } from 'node:crypto'
import type Koa from 'koa'
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
  /** How the caller proved it: the scheme of the signature (e.g. `v1`), `bearer`, or `open` where nobody has to. */
  scheme: string
}

/** What the idempotency stage tells the handler behind it. */
export interface Attempt {
  key: string
  /** Lowercase hex SHA-256 over method, request target and body. */
  fingerprint: string
  /** 1 the first time; more after a takeover: then look first for what the earlier attempt left behind. */
  number: number
  /** Aborted when the lock is lost or its maximum age is reached. */
  readonly signal: AbortSignal
  /** The handler found the answer of an earlier attempt instead of making one: it is marked as a replay. */
  replayed: boolean
  /**
   * For handlers that pass the request on to somebody who cannot be asked: records, before anything is sent, that
   * from now on nobody may run it again blindly. When it rejects, nothing may be sent.
   */
  dispatched(): Promise<void>
  /** What the handler knows of its effect, where neither its status nor what it throws says it. */
  effect?: Effect
}

/**
 * 'answer': store and replay it. 'nothing happened': free the key. Otherwise nobody may run it blindly again, and
 * `unknown` says why.
 */
export type Effect = 'answer' | 'nothing happened' | { unknown: string }

/** A JSON body. */
export interface JsonBody {
  /** As JSON.parse gives it; no object in it has a member twice. */
  value: unknown
  /** Every number as it was written, by its JSON Pointer (RFC 6901): binary floating point must not touch money. */
  numbers: ReadonlyMap<string, string>
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

/** `ctx.state`: what each stage leaves for the later ones. */
export interface RequestState {
  requestId?: string
  trace?: Trace
  body?: WireBody
  caller?: Caller
  attempt?: Attempt
  json?: JsonBody
  /** What the problem document says that was put on `ctx`; a stage may have replaced it by another answer since. */
  problem?: ServiceError
}

export type Stage = Koa.Middleware<RequestState>
export type StageContext = Koa.ParameterizedContext<RequestState>

/** What an earlier stage left. Throws a plain Error, a mistake in the wiring, if that stage is missing. */
export function required<K extends keyof RequestState>(
  ctx: StageContext,
  name: K,
  stage: string,
): NonNullable<RequestState[K]> {
  const value = ctx.state[name]
  if (value === undefined) throw new Error(`${stage} must come before the stage that needs ctx.state.${name}`)
  return value as NonNullable<RequestState[K]>
}
