import { type LookupAddress, lookup } from 'node:dns'
import { type IncomingMessage, type RequestOptions, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
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
export function postWebhook(options: WebhookPost): Promise<WebhookResponse> {
  const { url: text, body, timeoutMs, allowLocal } = options
  return new Promise((resolve, reject) => {
    // The rules may have become stricter since the endpoint was made.
    const fault = endpointUrlFault(text, options)
    if (fault !== undefined) return reject(new Error(`the url ${fault}`))
    const url = new URL(text)
    const request: RequestOptions & { ca?: string } = {
      method: 'POST',
      agent: false,
      headers: { ...options.headers, 'Content-Length': String(Buffer.byteLength(body)) },
      lookup: checkedLookup(options.lookup ?? lookup, allowLocal),
      maxHeaderSize: MAX_BYTES,
    }
    if (options.ca !== undefined) request.ca = options.ca
    if (options.signal !== undefined) request.signal = options.signal
    const outgoing = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, request)
    const fail = (error: Error) => {
      clearTimeout(timer)
      outgoing.destroy()
      reject(error)
    }
    const succeed = ({ statusCode: status = 0, headers }: IncomingMessage, bytes: Buffer) => {
      clearTimeout(timer)
      resolve({ status, text: readable(bytes), retryAfter: headers['retry-after'] })
      outgoing.destroy()
    }
    /** Once the status is known: a body that does not end is cut. */
    let finish: (() => void) | undefined
    const timer = setTimeout(() => {
      if (finish === undefined) fail(new Error(`no response within ${timeoutMs / 1_000} s`))
      else finish()
    }, timeoutMs)
    // Also of what follows a response, such as a body that is longer than its length, or one of a 204.
    outgoing.on('error', (error) => {
      if (finish === undefined) fail(error)
      else finish()
    })
    outgoing.once('socket', (socket) => {
      socket.once('connect', () => {
        // Whatever made the connection: nothing has been sent yet.
        if (!allowLocal && !isPublicAddress(socket.remoteAddress ?? '')) fail(notPublic(hostOf(url)))
        else outgoing.end(body)
      })
    })
    outgoing.once('response', (response) => {
      finish = read(response, (bytes) => succeed(response, bytes))
    })
    // 101 Switching Protocols: without this listener Node.js closes the connection, and no event comes any more.
    outgoing.once('upgrade', (response, socket) => {
      socket.destroy()
      succeed(response, Buffer.alloc(0))
    })
  })
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

/** The status counts; a body that never ends, or is cut off, does not change it. */
function read(response: IncomingMessage, done: (bytes: Buffer) => void): () => void {
  const chunks: Buffer[] = []
  let size = 0
  const end = () => done(Buffer.concat(chunks))
  response.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    size += chunk.length
    if (size >= MAX_BYTES) end()
  })
  response.once('end', end)
  response.once('error', end)
  return end
}

/** Without what a terminal or the database would trip over. */
function readable(bytes: Buffer): string {
  const text = bytes.subarray(0, 4 * MAX_TEXT).toString('utf8')
  return Array.from(text.replace(/[\p{Cc}\p{Cs}\ufffd]/gu, ' '))
    .slice(0, MAX_TEXT)
    .join('')
}
