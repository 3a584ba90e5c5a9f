import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { PROBLEM_TYPE, problemJson } from '../core/problem-json.ts'
import { type ProblemCode, ServiceError } from '../core/service-error.ts'
import { continueWhenRead } from './await-continue.ts'
import { closeAfterBody, LINGER_MS } from './close-after-body.ts'
import { FlatResponse } from './flat-response.ts'

/** Node's own default, said here because it is a promise: more than this is 431. */
const MAX_HEADER_BYTES = 16_384
/** A client that needs longer for its headers is stuck or hostile. */
const HEADERS_TIMEOUT_MS = 10_000
/** Headers and body; the body's own deadline (rawBody) comes first, this one holds where no middleware reads a body. */
const REQUEST_TIMEOUT_MS = 30_000
/** Longer than the idle time of the usual load balancers (60 s), so that they, not we, end idle connections. */
const KEEP_ALIVE_TIMEOUT_MS = 65_000

export interface ServerOptions {
  /** The longest that a request may take to arrive, headers and body. */
  requestTimeoutMs?: number
  /** Told of each request that gets a response here; `fault` is Node's code for what its parser met, never what was sent. */
  onRefused?: (reason: ProblemCode, fault: string) => void
}

/** An HTTP server that responds with problem documents even where no request reaches the application. */
export function createServer(listener: RequestListener, options: ServerOptions = {}): Server {
  const { onRefused = () => {} } = options
  const owed = new OwedResponses()
  // One listener and not two: Node calls a single one without making a list.
  const handle: RequestListener = (req, res) => {
    owed.add(req.socket, res)
    listener(req, res)
  }
  const server = createHttpServer(
    {
      ServerResponse: FlatResponse,
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      connectionsCheckingInterval: 1_000,
      // The guard middleware asks for Host, with a problem document.
      requireHostHeader: false,
    },
    handle,
  )
  // Node drops headers beyond its count in silence; the guard middleware must see all of them to refuse them.
  server.maxHeadersCount = 0
  server.on('connection', rememberAddress)
  server.on('connection', (socket: Socket) => {
    owed.watch(socket)
    closeAfterBody(socket, () => owed.isBodyComing(socket))
  })
  const refused = new WeakSet<Duplex>()
  server.on('clientError', (error: Error & { code?: string }, socket) => {
    // The parser complains again about every packet that follows.
    if (error.code !== 'ERR_HTTP_REQUEST_TIMEOUT' && refused.has(socket)) return
    refused.add(socket)
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy()
      return
    }
    // Requests that came whole before the fault must get their own responses first: ours would be taken for theirs.
    const [reason, detail] = clientProblem(error.code)
    onRefused(reason, error.code ?? 'none')
    void owed.of(socket).then(() => {
      if (socket.writable) refuse(socket, [reason, detail])
    })
  })
  server.on('checkContinue', (req: IncomingMessage, res: ServerResponse) => {
    continueWhenRead(req, res)
    handle(req, res)
  })
  server.on('checkExpectation', (_req: IncomingMessage, res: ServerResponse) => {
    const problem = new ServiceError('invalid_request', 'The only expectation met is 100-continue.')
    const id = randomUUID()
    onRefused(problem.code, 'EXPECT')
    res
      .writeHead(problem.status, { 'Content-Type': PROBLEM_TYPE, 'X-Request-Id': id })
      .end(problemJson(problem, id))
  })
  server.on('connect', (_req: IncomingMessage, socket: Duplex) => {
    onRefused('method_not_allowed', 'CONNECT')
    void owed.of(socket).then(() => refuse(socket, ['method_not_allowed', 'This is no proxy.']))
  })
  return server
}

/** Asked for at the start: when a connection has ended Node.js does not know its address any more. */
function rememberAddress({ remoteAddress }: Socket): string | undefined {
  return remoteAddress
}

const OWED = Symbol('owed')
/** The responses that are still to be sent on a connection: kept with it, where they are found faster than in a map. */
type Owing = Duplex & { [OWED]?: ServerResponse[] }

/** The responses that are still to be sent on each connection. */
class OwedResponses {
  add(socket: Owing, res: ServerResponse): void {
    const responses = socket[OWED]
    if (responses === undefined) socket[OWED] = [res]
    // As it nearly always is: one request after the other.
    else if (responses.length === 1 && responses[0]?.closed === true) responses[0] = res
    else socket[OWED] = [...responses.filter(({ closed }) => !closed), res]
  }

  /**
   * Node.js 20 and 22 never emit 'close' for a response that waits behind another one (pipelining) when its connection ends,
   * and its request would count as in flight for ever: they are closed here.
   */
  watch(socket: Owing): void {
    // Node.js closes by then what it closes by itself.
    const closeWaiting = () =>
      socket[OWED]?.forEach((res) => {
        if (!res.closed) res.destroy().emit('close')
      })
    socket.once('close', () => setImmediate(closeWaiting))
  }

  /** Whether the body of a request that has, or gets, its response is still on its way. */
  isBodyComing(socket: Owing): boolean {
    return socket[OWED]?.some(({ req }) => !req.complete) === true
  }

  /** Resolves when each request that came whole on this connection has its response, or the connection is gone. */
  async of(socket: Owing): Promise<void> {
    const owed = (socket[OWED] ?? []).filter(({ closed, req }) => !closed && req.complete)
    await Promise.all(owed.map((res) => new Promise((resolve) => res.once('close', resolve))))
  }
}

function clientProblem(code: string | undefined): [ProblemCode, string] {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return ['headers_too_large', `The headers have more than ${MAX_HEADER_BYTES} bytes.`]
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return ['request_timeout', 'The request did not arrive in time.']
    case 'HPE_INVALID_METHOD':
      return ['method_not_allowed', 'The method is not known here.']
    default:
      return ['invalid_request', 'The request is not valid HTTP/1.1.']
  }
}

/** Responds on a connection that has no request, and ends it. */
function refuse(socket: Duplex, [code, detail]: [ProblemCode, string]): void {
  const problem = new ServiceError(code, detail)
  const id = randomUUID()
  const body = problemJson(problem, id)
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    `Content-Type: ${PROBLEM_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${id}`,
    ...(code === 'method_not_allowed' ? ['Allow: GET, HEAD, POST'] : []),
    'Connection: close',
  ]
  socket.on('error', () => {})
  const timer = setTimeout(() => socket.destroy(), LINGER_MS)
  socket.once('close', () => clearTimeout(timer)).resume()
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}

/** Listens and returns the port. Throws a plain Error that names the address. */
export async function listen(server: Server, host: string, port: number): Promise<number> {
  server.listen(port, host)
  try {
    await once(server, 'listening')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    const reason = code === 'EADDRINUSE' ? 'another process listens there' : String(error)
    throw new Error(`cannot listen on ${host}:${port}: ${reason}. Set PORT or HOST to a free address`)
  }
  const address: AddressInfo | string | null = server.address()
  return typeof address === 'object' && address !== null ? address.port : port
}
