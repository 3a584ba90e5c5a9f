import { type LookupAddress, lookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { httpExchange } from '../core/http-exchange.ts'
import { type EndpointRules, endpointUrlFault, hostOf } from './endpoint-url.ts'
import { isPublicAddress } from './public-address.ts'

export interface WebhookPost extends EndpointRules {
  url: string
  headers: Readonly<Record<string, string>>
  body: string
  /** From the start, with the look-up of the name, to the end of the response. */
  timeoutMs: number
  /** Cuts it off. */
  signal?: AbortSignal
  lookup?: LookupAll
  /** Certificates beside those of the system; for tests. */
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

/** What is kept of a response. */
const MAX_TEXT = 256
/** What is read of it: a receiver whose response has no end gains nothing. */
const MAX_BYTES = 16_384

/**
 * Sends one webhook. No redirect is followed, and nothing is sent again. Without `allowLocal` it connects to public addresses
 * only, and to the very address that was checked: a name that leads elsewhere a moment later changes nothing. Rejects with an
 * Error whose text is for the owner of the endpoint.
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
    // Whatever made the connection.
    peerFault: (address) => (allowLocal || isPublicAddress(address) ? undefined : notPublic(hostOf(url))),
  })
  // The status counts; a body that never ends, or is cut off, does not change it.
  if (result.response === undefined) throw result.cause
  const { status, body: bytes, retryAfter } = result.response
  return { status, text: readable(bytes), retryAfter }
}

/** Addresses that are not public are left out of what the name leads to; the connection is made to one of the others. */
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

/** Without what a terminal or the database would trip over. */
function readable(bytes: Buffer): string {
  const text = bytes.subarray(0, 4 * MAX_TEXT).toString('utf8')
  return Array.from(text.replace(/[\p{Cc}\p{Cs}\ufffd]/gu, ' '))
    .slice(0, MAX_TEXT)
    .join('')
}
