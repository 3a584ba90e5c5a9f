import { type Agent, type IncomingMessage, request as requestHttp } from 'node:http'
import { type RequestOptions, request as requestHttps } from 'node:https'
import type { LookupFunction, Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

export interface HttpRequest {
  method: 'GET' | 'POST'
  url: URL
  /** False: a new connection for this request. */
  agent: Agent | false
  headers: Readonly<Record<string, string>>
  body?: string
  connectTimeoutMs?: number
  /** From the start, including the DNS lookup, to the last byte of the response. */
  timeoutMs: number
  /** The most bytes of the response body. */
  maxBytes: number
  /** Aborts the request. */
  signal?: AbortSignal | undefined
  lookup?: LookupFunction
  /** PEM certificates of the CAs, instead of those of the system. */
  ca?: string | undefined
  /** Called for a new connection, before TLS. If it returns an Error, nothing is sent. */
  peerFault?: (address: string) => Error | undefined
  /** Called just before the first byte is sent; false: the request is not sent. */
  mayLeave?: () => boolean
}

export interface HttpResponse {
  status: number
  retryAfter: string | undefined
  body: Buffer
}

/**
 * The result of a request. 'unsent': nothing was sent. After 'timeout' and 'error' the request may have arrived; `response`
 * is the part of the response that was received.
 */
export type HttpResult =
  | { outcome: 'answered'; response: HttpResponse; cause?: undefined }
  | { outcome: 'unsent' | 'timeout' | 'error'; cause: Error; response: HttpResponse | undefined }

/**
 * Sockets that are connected. Needed because `reusedSocket` is not set for a request that waited in the agent for a free
 * socket.
 */
const connected = new WeakSet<Socket>()

/**
 * Sends one request, without retries and redirects. Never rejects. Unlike fetch, it sends nothing before the connection is
 * established, so that it is known whether anything was sent. 101 Switching Protocols counts as a response without a
 * body and ends the connection.
 */
export function httpExchange(request: HttpRequest): Promise<HttpResult> {
  const { url, method, agent, headers, body, signal, lookup, ca, connectTimeoutMs, timeoutMs, maxBytes } =
    request
  const secure = url.protocol === 'https:'
  return new Promise((resolve) => {
    let sent = false
    let settled = false
    let begun: (() => HttpResponse) | undefined
    const options: RequestOptions = { method, agent, headers, signal, lookup, ca }
    const outgoing = (secure ? requestHttps : requestHttp)(url, options)
    const settle = (result: HttpResult) => {
      if (settled) return
      settled = true
      clearTimeout(connectTimer)
      clearTimeout(timer)
      resolve(result)
      if (result.outcome !== 'answered') abort()
      else if (agent === false) outgoing.destroy()
    }
    const fail = (cause: Error, outcome: 'timeout' | 'error' = 'error') => {
      settle({ outcome: sent ? outcome : 'unsent', cause, response: begun?.() })
    }
    const abort = () => {
      const { socket } = outgoing
      // A reset discards unsent data; after an ordinary end it would still be sent.
      if (sent && socket !== null && !(socket instanceof TLSSocket)) socket.resetAndDestroy()
      outgoing.destroy()
    }
    const connectTimer =
      connectTimeoutMs === undefined
        ? undefined
        : setTimeout(() => fail(new Error(`no connection within ${connectTimeoutMs} ms`)), connectTimeoutMs)
    const timer = setTimeout(
      () => fail(new Error(`no response within ${timeoutMs / 1_000} s`), 'timeout'),
      timeoutMs,
    )
    const send = () => {
      clearTimeout(connectTimer)
      if (request.mayLeave?.() === false) return fail(new Error('the time in which it may be sent is over'))
      sent = true
      outgoing.end(body)
    }
    // Also for data after a response, such as a body that is longer than its Content-Length, or the body of a 204.
    outgoing.on('error', (error) => fail(error))
    outgoing.once('socket', (socket) => {
      if (connected.has(socket)) return send()
      socket.once('connect', () => {
        const fault = request.peerFault?.(socket.remoteAddress ?? '')
        if (fault !== undefined) fail(fault)
      })
      socket.once(secure ? 'secureConnect' : 'connect', () => {
        connected.add(socket)
        if (!settled) send()
      })
    })
    // Without this listener Node.js closes the connection of a 101 without a further event.
    outgoing.once('upgrade', (response, socket) => {
      socket.destroy()
      settle({ outcome: 'answered', response: responseOf(response, []) })
    })
    outgoing.once('response', (response) => {
      const chunks: Buffer[] = []
      let size = 0
      const come = () => responseOf(response, chunks)
      begun = come
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        size += chunk.length
        if (size > maxBytes) fail(new Error(`the response has more than ${maxBytes} bytes`))
      })
      response.once('error', (error) => fail(error))
      response.once('end', () => {
        if (response.complete) settle({ outcome: 'answered', response: come() })
        else fail(new Error('the response is incomplete'))
      })
    })
  })
}

function responseOf({ statusCode = 0, headers }: IncomingMessage, chunks: readonly Buffer[]): HttpResponse {
  return { status: statusCode, retryAfter: headers['retry-after'], body: Buffer.concat(chunks) }
}
