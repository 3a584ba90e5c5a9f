import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import type { TestContext } from 'node:test'

/** A request as it arrived. */
export interface Arrived {
  method: string
  target: string
  headers: IncomingHttpHeaders
  body: string
}

/** What the server does with one request. */
export type Step = (response: ServerResponse, request: Arrived) => void

export interface ScriptedServer {
  url: string
  /** In the order of their arrival. */
  arrived: Arrived[]
}

/** A server on loopback that treats the first request by the first step, and so on; the last step is for all others. */
export async function scriptedServer(t: TestContext, ...script: Step[]): Promise<ScriptedServer> {
  const arrived: Arrived[] = []
  const server = createServer((incoming, response) => {
    const { method = '', url = '', headers } = incoming
    void buffer(incoming).then(
      (body) => {
        const request = { method, target: url, headers, body: body.toString() }
        const step = script[Math.min(arrived.push(request), script.length) - 1]
        step?.(response, request)
      },
      () => response.destroy(),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('it listens on TCP')
  return { url: `http://127.0.0.1:${address.port}`, arrived }
}

export function respond(status: number, body: string, headers: Record<string, string> = {}): Step {
  return (response) => void response.writeHead(status, headers).end(body)
}

export function problem(status: number, code: string, more: object = {}, headers = {}): Step {
  const document = {
    type: `/problems/${code}`,
    title: 'A title',
    status,
    detail: 'The detail.',
    code,
    ...more,
  }
  return respond(status, JSON.stringify(document), { 'Content-Type': 'application/problem+json', ...headers })
}

export const ORDER = {
  id: '019d0000-0000-7000-8000-000000000001',
  user_id: 'user-1',
  item: 'book',
  amount: 500,
  idempotency_key: 'key-001',
  created_at: '2026-03-22T12:37:20.000Z',
}

export function created(headers: Record<string, string> = {}): Step {
  return respond(201, JSON.stringify({ order: ORDER }), { 'Content-Type': 'application/json', ...headers })
}

/** As when the connection is lost before the request was handled. */
export const cutBeforeResponse: Step = (response) => void response.destroy()

/** As when it is lost while the response is on its way. */
export const cutWithinResponse: Step = (response) => {
  response.writeHead(201, { 'Content-Type': 'application/json', 'Content-Length': '1000' })
  response.write('{"order":', () => response.destroy())
}

export const silence: Step = () => {}
