import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { z } from 'zod'

/** A response as received, not normalised. */
export interface RawResponse {
  status: number
  /** Every line, in order. */
  headers: [name: string, value: string][]
  /** The values of a header, joined by commas; '' without one. `name` in any case. */
  header(name: string): string
  body: string
}

export interface Exchange {
  /** The final responses; 1xx are in `interim`. */
  responses: RawResponse[]
  interim: number[]
  /** The server ended the connection. */
  closed: boolean
  ms: number
}

export interface ExchangeOptions {
  /** The timeout. */
  timeoutMs?: number
  /** How many responses to wait for; 'close': until the server ends the connection. */
  until?: number | 'close'
  /** The request is a HEAD: its response has no body, with any Content-Length. */
  head?: boolean
  /** Writes the request, if it takes more than one write. */
  write?: (socket: Socket) => void
}

/** Sends bytes (in a string, each character is one byte) over a new connection and reads complete responses. */
export function exchange(
  port: number,
  bytes: string | Buffer,
  options: ExchangeOptions = {},
): Promise<Exchange> {
  const { timeoutMs = 5_000, until = 1, head = false, write } = options
  const startedMs = performance.now()
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    let received = Buffer.alloc(0)
    const end = (closed: boolean, late: boolean) => {
      clearTimeout(timer)
      socket.destroy()
      const ms = performance.now() - startedMs
      try {
        const { responses, rest, interim } = parseResponses(received, closed, head)
        const show = JSON.stringify(received.toString('latin1').slice(0, 500))
        assert.equal(rest, 0, `an incomplete response after ${ms} ms: ${show}`)
        assert.ok(!late, `not done within ${timeoutMs} ms, so far: ${show}`)
        resolve({ responses, interim, closed, ms })
      } catch (error) {
        reject(error)
      }
    }
    const timer = setTimeout(() => end(false, true), timeoutMs)
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      if (until === 'close') return
      const { responses, rest } = parseResponses(received, false, head)
      if (responses.length >= until && rest === 0) end(false, false)
    })
    // The request was refused while it was sent: a response before the reset counts.
    socket.on('error', () => {})
    socket.on('close', () => end(true, false))
    socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
    write?.(socket)
  })
}

/** Exactly one response. */
export async function one(
  port: number,
  bytes: string | Buffer,
  options: ExchangeOptions = {},
): Promise<RawResponse> {
  const { responses } = await exchange(port, bytes, options)
  const [response] = responses
  assert.ok(response, 'there is no response')
  assert.equal(responses.length, 1, 'there is one response')
  return response
}

/** The complete responses so far, and the number of remaining bytes. Throws if it is not HTTP/1.1. */
export function parseResponses(bytes: Buffer, closed: boolean, head: boolean) {
  const responses: RawResponse[] = []
  const interim: number[] = []
  let text = bytes.toString('latin1')
  for (;;) {
    const end = text.indexOf('\r\n\r\n')
    if (end === -1) return { responses, interim, rest: text.length }
    const [start = '', ...lines] = text.slice(0, end).split('\r\n')
    const [, code] = /^HTTP\/1\.1 (\d{3}) [\x20-\x7e]*$/.exec(start) ?? []
    assert.ok(code, `a status line: ${start}`)
    const status = Number(code)
    const headers = lines.map((line): [string, string] => {
      const [, name, value] = /^([\w-]+): ([\x20-\x7e]*)$/.exec(line) ?? []
      assert.ok(name !== undefined && value !== undefined, `a header line: ${line}`)
      return [name, value]
    })
    const header = (name: string) =>
      headers
        .filter(([own]) => own.toLowerCase() === name.toLowerCase())
        .map(([, value]) => value)
        .join(', ')
    const bodyless = head || status < 200 || status === 204 || status === 304
    const body = bodyless ? { text: '', length: 0 } : parseBody(text.slice(end + 4), header, closed)
    if (body === undefined) return { responses, interim, rest: text.length }
    text = text.slice(end + 4 + body.length)
    if (status < 200) interim.push(status)
    else responses.push({ status, headers, header, body: Buffer.from(body.text, 'latin1').toString('utf8') })
  }
}

/** Undefined if it is incomplete. */
function parseBody(text: string, header: (name: string) => string, closed: boolean) {
  if (header('transfer-encoding') === 'chunked') return unchunk(text)
  const declared = header('content-length')
  if (declared === '') return closed ? { text, length: text.length } : undefined
  assert.match(declared, /^\d+$/)
  const length = Number(declared)
  return text.length < length ? undefined : { text: text.slice(0, length), length }
}

/** Undefined if it is incomplete. */
function unchunk(text: string): { text: string; length: number } | undefined {
  const pieces: string[] = []
  for (let at = 0; ; ) {
    const line = text.indexOf('\r\n', at)
    if (line === -1) return undefined
    const [size] = /^[0-9a-f]+$/.exec(text.slice(at, line)) ?? []
    assert.ok(size, 'the size of a chunk')
    const start = line + 2
    const end = start + Number.parseInt(size, 16)
    if (text.length < end + 2) return undefined
    assert.equal(text.slice(end, end + 2), '\r\n', 'a chunk ends with a line break')
    at = end + 2
    if (start === end) return { text: pieces.join(''), length: at }
    pieces.push(text.slice(start, end))
  }
}

export const problem = z.strictObject({
  type: z.string(),
  title: z.string().min(1),
  status: z.number(),
  detail: z.string().min(1),
  code: z.string(),
  request_id: z.string(),
  retryable: z.boolean().optional(),
  retry_after_ms: z.number().int().optional(),
  errors: z.array(z.strictObject({ pointer: z.string(), detail: z.string().min(1) })).optional(),
})
export type Problem = z.infer<typeof problem>

/** Asserts everything that the contract requires of a problem document. A replayed one keeps its first request id. */
export function assertProblem(response: RawResponse, status: number, code: string): Problem {
  assert.equal(response.status, status, response.body.slice(0, 300))
  assert.equal(response.header('content-type'), 'application/problem+json')
  const document = problem.parse(JSON.parse(response.body))
  assert.equal(document.code, code)
  assert.equal(document.type, `/problems/${code}`)
  assert.equal(document.status, status)
  assert.match(response.header('x-request-id'), /^[\w.-]{1,64}$/)
  if (response.header('idempotent-replayed') === '') {
    assert.equal(document.request_id, response.header('x-request-id'))
  }
  return document
}
