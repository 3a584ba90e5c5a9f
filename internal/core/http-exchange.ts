import { type Agent, type IncomingMessage, request as requestHttp } from 'node:http'
import { type RequestOptions, request as requestHttps } from 'node:https'
import type { LookupFunction, Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

export interface HttpRequest {
  method: 'GET' | 'POST'
  url: URL
  /** False: a connection for this request alone. */
  agent: Agent | false
  headers: Readonly<Record<string, string>>
  body?: string
  connectTimeoutMs?: number
  /** From the start, with the look-up of the name, to the last byte of the response. */
  timeoutMs: number
  /** Of the body of the response. */
  maxBytes: number
  /** Cuts it off. */
  signal?: AbortSignal | undefined
  lookup?: LookupFunction
  /** Certificates instead of those of the system. */
  ca?: string | undefined
  /** Asked once a new connection is there, before TLS: with an Error it is closed, and nothing is sent. */
  peerFault?: (address: string) => Error | undefined
  /** Asked just before the first byte leaves. */
  mayLeave?: () => boolean
}

export interface HttpResponse {
  status: number
  retryAfter: string | undefined
  body: Buffer
}

/**
 * What a request came to. 'unsent' is certain; after 'timeout' and 'error' it may have arrived. With what had come of
 * the response by then.
 */
export type HttpResult =
  | { outcome: 'answered'; response: HttpResponse; cause?: undefined }
  | { outcome: 'unsent' | 'timeout' | 'error'; cause: Error; response: HttpResponse | undefined }

/**
 * Connections that have been made: they say so only once. A request that waited in the agent for a free one gets it
 * without being told that it was used before (`reusedSocket`).
 */
const connected = new WeakSet<Socket>()

/**
 * One request, never repeated, no redirect followed. Never rejects. Not fetch: this one holds every byte back until
 * the connection is there, so that it is known for certain whether anything was sent. 101 Switching Protocols is a
 * response without a body, and ends the connection.
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
      // A reset takes back what still waits here to be sent; after an end it would go on being sent.
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
      if (request.mayLeave?.() === false) return fail(new Error('the time in which it may leave is over'))
      sent = true
      outgoing.end(body)
    }
    // Also of what follows a response, such as a body that is longer than its length, or one of a 204.
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
    // Without this listener Node.js closes the connection of a 101, and no event comes any more.
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
        else fail(new Error('the response was cut off'))
      })
    })
  })
}

function responseOf({ statusCode = 0, headers }: IncomingMessage, chunks: readonly Buffer[]): HttpResponse {
  return { status: statusCode, retryAfter: headers['retry-after'], body: Buffer.concat(chunks) }
}
