import { keyHeader } from './idempotency-key.ts'
import { bytesOf, type Content, targetOf } from './target.ts'
import { type Effort, type Outgoing, type Sent, send, type Transport } from './transport.ts'

export interface RequestInput extends Effort {
  /** Default: GET. */
  method?: string
  /** Sent as `application/json`. */
  body?: Content
  /** Without one, nothing but GET and HEAD is sent a second time. */
  key?: string | undefined
  /** Statuses that are responses and no problems, beside 2xx, where they come as JSON: 402 for a payment. */
  outcomes?: readonly number[]
}

export type SendRequest = (url: string | URL, input?: RequestInput) => Promise<Sent>

/** For the routes that have no method of their own: signed and retried like all others. Rejects with ProblemError. */
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
