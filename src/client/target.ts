import { copy } from './signer.ts'

/** A body whose bytes are the same in each attempt. */
export type Content = string | Uint8Array | ArrayBuffer

export interface Target {
  url: string
  /** Path and query, as fetch() sends them. */
  target: string
}

/**
 * The URL and the request target. Throws TypeError for another origin than that of `base`: another server could reuse an
 * API key, or a signature, which does not name the host. Also throws TypeError for an object that is not a URL, such as
 * a Request, whose text would be the path `/[object Request]`.
 */
export function targetOf(input: string | URL, base: URL): Target {
  if (typeof input === 'object' && !('href' in input))
    throw new TypeError(
      'the address must be a string or a URL; for a Request, pass its url, method, headers and body',
    )
  const url = new URL(appended(input, base), base)
  if (url.origin !== base.origin)
    throw new TypeError(`this client sends to ${base.origin}, not to ${url.origin}`)
  url.hash = ''
  return { url: url.href, target: url.pathname + url.search }
}

/** Appends a path to the path of the base, such as https://shop.example/orders-api. */
function appended(input: string | URL, { pathname }: URL): string | URL {
  const isPath = typeof input === 'string' && input.startsWith('/') && !input.startsWith('//')
  return isPath ? pathname.replace(/\/$/, '') + input : input
}

/** The bytes of a body; text is encoded in UTF-8. Throws TypeError for other types, such as a stream. */
export function bytesOf(body: Content | null | undefined): Uint8Array<ArrayBuffer> | undefined {
  if (body === undefined || body === null) return undefined
  if (typeof body === 'string') return copy(new TextEncoder().encode(body))
  if (body instanceof ArrayBuffer) return new Uint8Array(body.slice())
  if (body instanceof Uint8Array) return copy(body)
  throw new TypeError('a signature covers bytes: body must be a string, a Uint8Array or an ArrayBuffer')
}
