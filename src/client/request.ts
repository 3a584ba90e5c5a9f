import { keyHeader } from './idempotency-key.ts'
import { bytesOf, type Content, targetOf } from './target.ts'
import { type Effort, type Outgoing, type Sent, send, type Transport } from './transport.ts'

export interface RequestInput extends Effort {
  /** Default: GET. */
  method?: string
  /** Sent as `application/json`. */
  body?: Content
  /** The idempotency key. Without it only GET and HEAD are retried. */
  key?: string | undefined
  /** Statuses besides 2xx that are results and not problems, if the response is JSON: 402 for a payment. */
  outcomes?: readonly number[]
}

export type SendRequest = (url: string | URL, input?: RequestInput) => Promise<Sent>

/** Sends a request to any route, signed and retried like all others. Rejects with ProblemError. */
export function createRequest(transport: Transport, base: URL): SendRequest {
  return async function request(url, { method = 'GET', body, key, outcomes = [], ...effort } = {}) {
    const outgoing: Outgoing = {
      method: method.toUpperCase(),
      ...targetOf(url, base),
      key,
      keyHeader: key === undefined ? '' : keyHeader(key),
      body: bytesOf(body),
      outcomes,
    }
    return await send(transport, outgoing, effort)
  }
}
