import { type LookupAddress, lookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { httpExchange } from '../core/http-exchange.ts'
import { type EndpointRules, endpointUrlFault, hostOf } from './endpoint-url.ts'
import { isPublicAddress } from './public-address.ts'

export interface WebhookPost extends EndpointRules {
  url: string
  headers: Readonly<Record<string, string>>
  body: string
  /** For all of it, from resolving the name to the end of the response. */
  timeoutMs: number
  signal?: AbortSignal
  lookup?: LookupAll
  /** More CA certificates; for tests. */
  ca?: string
}

export interface WebhookResponse {
  status: number
  /** The first characters of the body. */
  text: string
  retryAfter: string | undefined
}

export type LookupAll = (
  host: string,
  options: { all: true; verbatim: true },
  done: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

/** Characters of a response that are kept. */
const MAX_TEXT = 256
/** Bytes of a response that are read: some never end. */
const MAX_BYTES = 16_384

/**
 * Sends one webhook, once, without redirects. Without `allowLocal` it connects only to the public address that it has
 * checked (DNS rebinding). Rejects with an Error whose text is for the owner of the endpoint.
 */
export async function postWebhook(options: WebhookPost): Promise<WebhookResponse> {
  const { url: text, body, timeoutMs, allowLocal, signal, ca } = options
  // The rules may have become stricter since the endpoint was made.
  const fault = endpointUrlFault(text, options)
  if (fault !== undefined) throw new Error(`the url ${fault}`)
  const url = new URL(text)
  const result = await httpExchange({
    method: 'POST',
    url,
    agent: false,
    headers: { ...options.headers, 'Content-Length': String(Buffer.byteLength(body)) },
    body,
    timeoutMs,
    maxBytes: MAX_BYTES,
    signal,
    ca,
    lookup: checkedLookup(options.lookup ?? lookup, allowLocal),
    // Checked again on the connection itself.
    peerFault: (address) => (allowLocal || isPublicAddress(address) ? undefined : notPublic(hostOf(url))),
  })
  // The status counts, also when the body is cut off or does not end.
  if (result.response === undefined) throw result.cause
  const { status, body: bytes, retryAfter } = result.response
  return { status, text: readable(bytes), retryAfter }
}

/** Resolves a name to its public addresses only. */
function checkedLookup(resolve: LookupAll, allowLocal: boolean): LookupFunction {
  return (host, options, done) => {
    resolve(host, { all: true, verbatim: true }, (error, found) => {
      const addresses =
        error === null ? found.filter(({ address }) => allowLocal || isPublicAddress(address)) : []
      const [first] = addresses
      if (error !== null) done(error, '', 0)
      else if (first === undefined) done(notPublic(host), '', 0)
      else if (options.all === true) done(null, addresses)
      else done(null, first.address, first.family)
    })
  }
}

function notPublic(host: string): Error {
  return new Error(
    isIP(host) === 0 ? `${host} leads to no public address` : `${host} is not a public address`,
  )
}

/** Without control characters and invalid UTF-8, which a terminal and PostgreSQL cannot take. */
function readable(bytes: Buffer): string {
  const text = bytes.subarray(0, 4 * MAX_TEXT).toString('utf8')
  return Array.from(text.replace(/[\p{Cc}\p{Cs}\ufffd]/gu, ' '))
    .slice(0, MAX_TEXT)
    .join('')
}
