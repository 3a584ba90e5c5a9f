import { bytesOf, type Content, type Target, targetOf } from './target.ts'
import type { Transport } from './transport.ts'

/** The options of fetch(), with a body whose bytes are known. */
export interface SignedInit extends Omit<RequestInit, 'body'> {
  body?: Content | null
}

export type SignedFetch = (input: string | URL | Request, init?: SignedInit) => Promise<Response>

/**
 * Creates a fetch() that signs one attempt: no retries, no deadline, no generated key. The signature covers the
 * `Idempotency-Key` of `init.headers` as given. A redirect is an error unless `init.redirect` is given. From a Request,
 * which generated clients pass, it uses method, headers, body and signal; `init` overrides them.
 */
export function createSignedFetch(
  transport: Pick<Transport, 'credentials' | 'fetch' | 'now'>,
  base: URL,
): SignedFetch {
  const { credentials, fetch, now } = transport
  return async function signedFetch(input, init = {}) {
    if (input instanceof Request) return await signedFetch(input.url, { ...(await initOf(input)), ...init })
    const { url, target }: Target = targetOf(input, base)
    const { body: given, ...rest } = init
    const body = bytesOf(given)
    const method = (init.method ?? 'GET').toUpperCase()
    const headers = new Headers(init.headers)
    const key = headers.get('Idempotency-Key') ?? ''
    if (!/^[ -~]*$/.test(key)) throw new RangeError('Idempotency-Key must be printable ASCII')
    const timestamp = Math.floor(now() / 1_000)
    const request = { timestamp, method, target, key, body: body ?? new Uint8Array() }
    for (const [name, value] of Object.entries(await credentials.headers(request))) headers.set(name, value)
    if (body !== undefined && !headers.has('Content-Type')) headers.set('Content-Type', 'application/json')
    const sent = { redirect: 'error' as const, ...rest, method, headers }
    return await fetch(url, body === undefined ? sent : { ...sent, body })
  }
}

async function initOf(request: Request): Promise<SignedInit> {
  const { method, headers, signal } = request
  // Not every browser supports `request.body`.
  const body = await request.arrayBuffer()
  return { method, headers, signal, body: body.byteLength === 0 ? null : body }
}
