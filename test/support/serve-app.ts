import { connect } from 'node:net'
import type { TestContext } from 'node:test'
import Koa from 'koa'
import type { Middleware, RequestState } from '../../internal/core/request-state.ts'
import { createServer, listen } from '../../internal/http/server.ts'

/** An app of these stages on a free port of 127.0.0.1, until the test ends. */
export async function serveApp(t: TestContext, ...middlewares: Middleware[]): Promise<number> {
  const app = new Koa<RequestState>()
  app.silent = true
  for (const middleware of middlewares) app.use(middleware)
  const server = createServer(app.callback())
  const port = await listen(server, '127.0.0.1', 0)
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return port
}

export interface ServedResponse {
  status: number
  /** Status line and headers as they came. */
  head: string
  body: string
}

/** Sends exactly these bytes and reads until the server closes: no HTTP client comes between test and wire. */
export async function exchange(port: number, bytes: string | Buffer): Promise<ServedResponse> {
  const socket = connect(port, '127.0.0.1')
  socket.write(bytes)
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk)
  const [head = '', body = ''] = Buffer.concat(chunks).toString('latin1').split('\r\n\r\n')
  return { status: Number(head.split(' ')[1]), head, body: Buffer.from(body, 'latin1').toString() }
}
