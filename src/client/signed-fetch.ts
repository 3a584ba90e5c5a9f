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
export function createSignedFetch(transport: Transport, base: URL): SignedFetch {
  const { signer, fetch, now } = transport
  return async function signedFetch(input, init = {}) {
    const { url, target }: Target = targetOf(input, base)
    const { body: given, ...rest } = init
    const body = bytesOf(given)
    const method = (init.method ?? 'GET').toUpperCase()
    const headers = new Headers(init.headers)
    const key = headers.get('Idempotency-Key') ?? ''
    if (!/^[ -~]*$/.test(key)) throw new RangeError('Idempotency-Key must be printable ASCII')
    const timestamp = Math.floor(now() / 1_000)
    headers.set('X-Client-Id', signer.client)
    headers.set(
      'X-Signature',
      await signer.sign({ timestamp, method, target, key, body: body ?? new Uint8Array() }),
    )
    if (body !== undefined && !headers.has('Content-Type')) headers.set('Content-Type', 'application/json')
    const sent = { redirect: 'error' as const, ...rest, method, headers }
    return await fetch(url, body === undefined ? sent : { ...sent, body })
  }
}
