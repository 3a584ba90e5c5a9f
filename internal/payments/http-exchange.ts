import { type Agent, type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

export interface HttpRequest {
  method: 'GET' | 'POST'
  url: URL
  agent: Agent
  headers: Readonly<Record<string, string>>
  body: string | undefined
  connectTimeoutMs: number
  /** From the start to the last byte of the response. */
  timeoutMs: number
  maxBytes: number
  /** Asked just before the first byte leaves. */
  mayLeave: () => boolean
}

/** What a request came to; 'unsent' is certain, after 'timeout' and 'error' it may have arrived. */
export type HttpResult =
  | { outcome: 'answered'; status: number; retryAfter: string | undefined; body: Buffer }
  | { outcome: 'unsent' | 'timeout' | 'error'; cause: Error }

/**
 * Connections that have been made: they say so only once. A request that waited in the agent for a free one gets it
 * without being told that it was used before (`reusedSocket`).
 */
const connected = new WeakSet<Socket>()

/**
 * One request, never repeated, no redirect followed. Never rejects. Not fetch: this one holds every byte back until
 * the connection is there, so that it is known for certain whether anything was sent.
 */
export function httpExchange(options: HttpRequest): Promise<HttpResult> {
  const { url, method, agent, headers, body, mayLeave } = options
  const secure = url.protocol === 'https:'
  return new Promise((resolve) => {
    let sent = false
    const outgoing = (secure ? requestHttps : requestHttp)(url, { method, agent, headers })
    const settle = (result: HttpResult) => {
      clearTimeout(connectTimer)
      clearTimeout(timer)
      resolve(result)
      if (result.outcome !== 'answered') abort()
    }
    const fail = (cause: Error, late = false) =>
      settle({ outcome: sent ? (late ? 'timeout' : 'error') : 'unsent', cause })
    const abort = () => {
      const { socket } = outgoing
      // A reset takes back what still waits here to be sent; after an end it would go on being sent.
      if (sent && socket !== null && !(socket instanceof TLSSocket)) socket.resetAndDestroy()
      outgoing.destroy()
    }
    const connectTimer = setTimeout(
      () => fail(new Error(`no connection within ${options.connectTimeoutMs} ms`)),
      options.connectTimeoutMs,
    )
    const timer = setTimeout(
      () => fail(new Error(`no response within ${options.timeoutMs} ms`), true),
      options.timeoutMs,
    )
    const send = () => {
      clearTimeout(connectTimer)
      if (!mayLeave()) return fail(new Error('the time in which it may leave is over'))
      sent = true
      outgoing.end(body)
    }
    outgoing.on('error', (error) => fail(error))
    outgoing.once('socket', (socket) => {
      if (connected.has(socket)) return send()
      socket.once(secure ? 'secureConnect' : 'connect', () => {
        connected.add(socket)
        send()
      })
    })
    // 101 Switching Protocols: without this listener Node.js closes the connection, and no event comes any more.
    outgoing.once('upgrade', (_, socket) => {
      socket.destroy()
      fail(new Error('the response is 101 Switching Protocols, which was not asked for'))
    })
    outgoing.once('response', (response) => {
      read(response, options.maxBytes).then(
        (bytes) => {
          const retryAfter = response.headers['retry-after']
          settle({ outcome: 'answered', status: response.statusCode ?? 0, retryAfter, body: bytes })
        },
        (error: unknown) => fail(error instanceof Error ? error : new Error(String(error))),
      )
    })
  })
}

async function read(response: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response) {
    if (!(chunk instanceof Buffer)) throw new Error('a response is bytes')
    size += chunk.length
    if (size > maxBytes) throw new Error(`the response has more than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  if (!response.complete) throw new Error('the response was cut off')
  return Buffer.concat(chunks, size)
}
