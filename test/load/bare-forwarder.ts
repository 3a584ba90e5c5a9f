/*
 * node --import tsx test/load/bare-forwarder.ts backend|undici|http-proxy [TARGET]: what proxy-throughput.ts measures
 * the sidecar against, each the least that does the work. Prints its port.
 */
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { createRequire } from 'node:module'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { Pool } from 'undici'

const [kind = '', target = ''] = process.argv.slice(2)
const ANSWER = `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\r\n{"message":"hello, world!"}`

const servers: Record<string, (() => Server) | undefined> = {
  /** Answers every request with the same bytes, as fast as a socket can. */
  backend: () =>
    createServer((socket) => {
      socket.setNoDelay(true).on('error', () => {})
      socket.on('data', (chunk) => void (chunk.includes('\r\n\r\n') && socket.write(ANSWER)))
    }),
  undici() {
    const pool = new Pool(target, { pipelining: 1 })
    return createHttpServer(((req, res) => {
      const body = req.headers['content-length'] === undefined ? null : req
      const headers = { ...req.headers, connection: undefined, host: undefined }
      const options = { path: req.url ?? '/', method: req.method ?? 'GET', headers, body }
      pool.request(options).then(
        (answer) => {
          res.writeHead(answer.statusCode, answer.headers)
          answer.body.pipe(res)
        },
        () => res.writeHead(502).end(),
      )
    }) satisfies RequestListener)
  },
  'http-proxy'() {
    // It has no types of its own.
    const { createProxyServer } = createRequire(import.meta.url)('http-proxy')
    const { Agent } = createRequire(import.meta.url)('node:http')
    const proxy = createProxyServer({ target, agent: new Agent({ keepAlive: true }) })
    proxy.on('error', () => {})
    return createHttpServer((req, res) => void proxy.web(req, res))
  },
}

const server = servers[kind]?.()
if (server === undefined) throw new Error(`there is no forwarder ${kind}`)
server.listen(0, '127.0.0.1', () => {
  const address: AddressInfo | string | null = server.address()
  console.log(typeof address === 'object' ? address?.port : address)
})
// Ends with who started it.
process.stdin.on('end', () => process.exit()).resume()
