import { copy } from './signer.ts'

/** A body of which each attempt has the same bytes. */
export type Content = string | Uint8Array | ArrayBuffer

export interface Target {
  url: string
  /** Path and query, as fetch() puts them on the wire. */
  target: string
}

/**
 * Throws TypeError for another origin than that of `base`: a signature does not name the host, so that a server that got
 * it could use it at the right one; a server that got an API key has it. Throws it for any other object, too, such as a
 * Request: as text it is the path `/[object Request]`.
 */
export function targetOf(input: string | URL, base: URL): Target {
  if (typeof input === 'object' && !('href' in input))
    throw new TypeError(
      'the address must be a string or a URL; of a Request, pass its url, method, headers and body',
    )
  const url = new URL(behind(input, base), base)
  if (url.origin !== base.origin)
    throw new TypeError(`this client sends to ${base.origin}, not to ${url.origin}`)
  url.hash = ''
  return { url: url.href, target: url.pathname + url.search }
}

/** A path goes behind that of the base: a service may be found under https://shop.example/orders-api. */
function behind(input: string | URL, { pathname }: URL): string | URL {
  const isPath = typeof input === 'string' && input.startsWith('/') && !input.startsWith('//')
  return isPath ? pathname.replace(/\/$/, '') + input : input
}

/** Text becomes bytes once, as UTF-8. Throws TypeError for what has no bytes at hand, such as a stream. */
export function bytesOf(body: Content | null | undefined): Uint8Array<ArrayBuffer> | undefined {
  if (body === undefined || body === null) return undefined
  if (typeof body === 'string') return copy(new TextEncoder().encode(body))
  if (body instanceof ArrayBuffer) return new Uint8Array(body.slice())
  if (body instanceof Uint8Array) return copy(body)
  throw new TypeError('a signature covers bytes: body must be a string, a Uint8Array or an ArrayBuffer')
}
