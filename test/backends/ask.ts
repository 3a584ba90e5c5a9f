import { Agent, type IncomingHttpHeaders, request } from 'node:http'
import { Readable } from 'node:stream'

/** A response, as far as it came. */
export interface AskResult {
  status: number
  headers: IncomingHttpHeaders
  interim: number[]
  /** The first bytes of the body, as text. */
  text: string
  bytes: number
  /** All bytes of the body are `x`. */
  isX: boolean
  /** The response ended in good order; false: it was cut. */
  whole: boolean
  /** Of a problem document, '' otherwise. */
  code: string
}

export interface Question {
  method?: string
  headers?: Record<string, string>
  body?: string | Readable
  agent?: Agent
  /** Called once, when the first bytes of the body are here. */
  onBegun?: () => void
}

const TEXT_BYTES = 4_096
/** 100 MiB on a busy machine; a request that hangs is a fault. */
const TIMEOUT_MS = 60_000
const X = Buffer.alloc(1_048_576, 'x')

/** One request over a connection of its own, unless there is an agent. Rejects where no response begins. */
export async function ask(url: string, question: Question = {}): Promise<AskResult> {
  const { method = 'POST', headers = {}, body, agent, onBegun } = question
  return await new Promise((resolve, reject) => {
    const told: AskResult = {
      status: 0,
      headers: {},
      interim: [],
      text: '',
      bytes: 0,
      isX: true,
      whole: false,
      code: '',
    }
    const outgoing = request(url, { method, headers, agent: agent ?? false })
    const timer = setTimeout(
      () =>
        outgoing.destroy(
          new Error(`no end of ${method} ${url} within ${TIMEOUT_MS} ms: ${told.bytes} bytes`),
        ),
      TIMEOUT_MS,
    )
    outgoing.on('information', ({ statusCode }) => told.interim.push(statusCode))
    outgoing.on('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    outgoing.on('response', (response) => {
      told.status = response.statusCode ?? 0
      told.headers = response.headers
      response.on('data', (chunk: Buffer) => {
        if (told.bytes === 0) onBegun?.()
        if (told.bytes < TEXT_BYTES) told.text += chunk.toString('latin1', 0, TEXT_BYTES)
        told.bytes += chunk.length
        told.isX &&= chunk.equals(X.subarray(0, chunk.length))
      })
      response.on('error', () => {})
      response.once('close', () => {
        clearTimeout(timer)
        told.whole = response.complete && !response.errored
        if (told.headers['content-type'] === 'application/problem+json')
          told.code = /"code":"(\w+)"/.exec(told.text)?.[1] ?? ''
        resolve(told)
      })
    })
    if (body instanceof Readable) body.pipe(outgoing)
    else if (headers.Expect !== undefined) outgoing.once('continue', () => outgoing.end(body)).flushHeaders()
    else outgoing.end(body)
  })
}

export const isReplay = ({ headers }: AskResult): boolean => headers['idempotent-replayed'] === 'true'

/** One connection, which is used again. */
export function oneConnection(): Agent {
  return new Agent({ keepAlive: true, maxSockets: 1 })
}
