import { bytesOf, type Content, type Target, targetOf } from './target.ts'
import type { Transport } from './transport.ts'

/** fetch() as one knows it, with a body that has its bytes at hand. */
export interface SignedInit extends Omit<RequestInit, 'body'> {
  body?: Content | null
}

export type SignedFetch = (url: string | URL, init?: SignedInit) => Promise<Response>

/**
 * One signed attempt, whatever comes of it: no retries, no deadline, no key of its own. It covers the
 * `Idempotency-Key` of `init.headers` as it stands there. A redirect is an error unless `init.redirect` is given.
 */
export function createSignedFetch(
  transport: Pick<Transport, 'credentials' | 'fetch' | 'now'>,
  base: URL,
): SignedFetch {
  const { credentials, fetch, now } = transport
  return async function signedFetch(input, init = {}) {
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
