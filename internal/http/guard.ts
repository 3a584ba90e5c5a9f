import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Stage } from '../request-state.ts'
import { type ProblemCode, ServiceError } from '../service-error.ts'
import { before } from '../stages.ts'

/** Real partners send about fifteen. */
const MAX_HEADERS = 100

/** Headers that must not come twice: two parties could each go by another one. */
const SINGLE = new Map<string, ProblemCode>([
  ['host', 'invalid_request'],
  ['content-type', 'invalid_request'],
  ['content-encoding', 'invalid_request'],
  ['idempotency-key', 'idempotency_key_invalid'],
])

/** Most headers are none of them by their length alone. */
const SINGLE_LENGTHS = new Set([...SINGLE.keys()].map((name) => name.length))

export interface GuardOptions {
  /** Checks the request target by itself, instead of taking paths that begin with one slash. */
  checkTarget?: (req: IncomingMessage) => void
}

/**
 * Refuses what Node's parser lets through and what would mean different things to different readers: other versions
 * of HTTP, other request targets than a path, a missing or second Host, more transfer codings than chunked, very many
 * headers.
 */
export function guard(options: GuardOptions = {}): Stage {
  const check = requestCheck(options)
  return before(function guard(ctx) {
    check(ctx.req)
  })
}

/** The same for requests that reach no stage. Throws `invalid_request` or `headers_too_large`. */
export function requestCheck(options: GuardOptions = {}): (req: IncomingMessage) => void {
  const { checkTarget = checkPath } = options
  /** Connections on which nobody can say where a request began. */
  const doubtful = new WeakSet<Socket>()
  return (req) => {
    if (doubtful.has(req.socket) || !isFramed(req)) {
      // Node parses on and brings what follows the doubtful body as requests: they may be a part of it.
      doubtful.add(req.socket)
      throw new ServiceError('invalid_request', 'The only transfer coding taken is chunked, with HTTP/1.1.', {
        headers: { Connection: 'close' },
      })
    }
    checkVersion(req)
    checkTarget(req)
    checkHeaders(req)
  }
}

function isFramed({ headers, httpVersion }: IncomingMessage): boolean {
  const codings = headers['transfer-encoding']
  return codings === undefined || (codings.toLowerCase() === 'chunked' && httpVersion === '1.1')
}

function checkVersion(req: IncomingMessage): void {
  // The parser lets HTTP/0.9 and HTTP/2.0 in a request line pass.
  if (req.httpVersion === '1.1' || req.httpVersion === '1.0') return
  throw new ServiceError('invalid_request', 'The protocol must be HTTP/1.1 or HTTP/1.0.')
}

function checkPath(req: IncomingMessage): void {
  const target = req.url ?? ''
  // An absolute target, or one that begins with //, names a host of its own; a fragment never comes over the wire.
  if (target.startsWith('/') && !target.startsWith('//') && !target.includes('#')) return
  throw new ServiceError('invalid_request', 'The request target must be a path that begins with one slash.')
}

function checkHeaders(req: IncomingMessage): void {
  const { rawHeaders } = req
  if (rawHeaders.length / 2 > MAX_HEADERS) {
    throw new ServiceError('headers_too_large', `The request has more than ${MAX_HEADERS} headers.`)
  }
  const seen = new Set<string>()
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const written = rawHeaders[i] ?? ''
    if (!SINGLE_LENGTHS.has(written.length)) continue
    const name = written.toLowerCase()
    const code = SINGLE.get(name)
    if (code === undefined) continue
    if (seen.has(name)) throw new ServiceError(code, `The header ${name} came more than once.`)
    seen.add(name)
  }
  if (!seen.has('host') && req.httpVersion !== '1.0') {
    throw new ServiceError('invalid_request', 'The Host header is missing.')
  }
}

/** The second for a caller who names the charset too. */
const ANSWER_TYPES = ['application/json', 'application/json; charset=utf-8']

/** The answers are JSON: refuses a caller who says that it takes none. */
export function acceptJson(): Stage {
  return before(function acceptJson(ctx) {
    if (ctx.req.headers.accept !== undefined && ctx.accepts(ANSWER_TYPES) === false) {
      throw new ServiceError('not_acceptable', 'The answers are application/json; see Accept.')
    }
  })
}
