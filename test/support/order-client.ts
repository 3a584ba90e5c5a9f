import { randomBytes } from 'node:crypto'
import {
  Agent,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request,
} from 'node:http'
import { buffer } from 'node:stream/consumers'
import { z } from 'zod'
import { sign } from '../../internal/signature/schemes.ts'

/** The client and the secret of demo mode. */
const CLIENT = 'default'
const SECRET = 'super-secret-key'

export interface Reply {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
  /** The code of a problem document, '' otherwise. */
  code: string
  /** The time from the first byte sent to the last byte read. */
  ms: number
}

export interface SendOptions {
  method?: string
  headers?: OutgoingHttpHeaders
  body?: string | Buffer
  /** Without a response for this long the request fails with code ETIMEDOUT. */
  timeoutMs?: number
  /** Default: the shared agent, which has at most 200 connections to a service. */
  agent?: Agent
}

const TIMEOUT_MS = 15_000
const SHARED = new Agent({ keepAlive: true, maxSockets: 200 })

/** One request, never repeated. Rejects with the error of the connection, which has a `code`. */
export async function send(url: string, options: SendOptions = {}): Promise<Reply> {
  const { method = 'GET', headers = {}, body, timeoutMs = TIMEOUT_MS, agent = SHARED } = options
  const startedMs = performance.now()
  const outgoing = request(url, { method, headers, agent })
  const timer = setTimeout(() => {
    outgoing.destroy(
      Object.assign(new Error(`no response from ${url} within ${timeoutMs} ms`), { code: 'ETIMEDOUT' }),
    )
  }, timeoutMs)
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      outgoing.once('response', resolve).on('error', reject).end(body)
    })
    const bytes = await buffer(response)
    const ms = performance.now() - startedMs
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      body: bytes,
      code: problemCode(response.headers, bytes),
      ms,
    }
  } finally {
    clearTimeout(timer)
  }
}

const problem = z.object({ code: z.string() })

function problemCode(headers: IncomingHttpHeaders, bytes: Buffer): string {
  if (headers['content-type'] !== 'application/problem+json') return ''
  return problem.parse(JSON.parse(bytes.toString())).code
}

/** The headers of an order that is signed now. */
export function orderHeaders(key: string, body: string): Record<string, string> {
  const timestamp = Math.floor(Date.now() / 1000)
  const signature = sign({
    scheme: 'v1',
    secret: SECRET,
    method: 'POST',
    target: '/orders',
    timestamp,
    client: CLIENT,
    key,
    body,
  })
  return {
    'Content-Type': 'application/json',
    'Content-Length': String(Buffer.byteLength(body)),
    'Idempotency-Key': key,
    'X-Signature': signature,
  }
}

/** `POST /orders` at the service of this URL. */
export function postOrder(url: string, key: string, body: string, timeoutMs?: number): Promise<Reply> {
  const options = { method: 'POST', headers: orderHeaders(key, body), body }
  return send(`${url}/orders`, timeoutMs === undefined ? options : { ...options, timeoutMs })
}

export interface OrderFields {
  user_id: string
  item: string
  amount: number
}

export function orderBody(fields: Partial<OrderFields> = {}): string {
  return JSON.stringify({ user_id: 'user-1', item: 'book', amount: 500, ...fields })
}

export function newKey(): string {
  return `key-${randomBytes(8).toString('hex')}`
}
