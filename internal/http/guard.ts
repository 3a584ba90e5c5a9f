import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { middleware } from '../core/compose.ts'
import { bySpelling } from '../core/header-values.ts'
import type { Middleware } from '../core/request-state.ts'
import { type ProblemCode, ServiceError } from '../core/service-error.ts'

/** Real clients send about 15. */
const MAX_HEADERS = 100

/** Headers that must not be repeated: two programs could each use another one of them. */
const SINGLES: readonly { name: string; code: ProblemCode }[] = [
  { name: 'host', code: 'invalid_request' },
  { name: 'content-type', code: 'invalid_request' },
  { name: 'content-encoding', code: 'invalid_request' },
  { name: 'idempotency-key', code: 'idempotency_key_invalid' },
]
const NONE = 0
const HOST = 1

/** The bit of a header of SINGLES; NONE for every other header. */
const singleOf = bySpelling((name) => {
  const index = SINGLES.findIndex((single) => single.name === name)
  return index < 0 ? NONE : 1 << index
})

export interface GuardOptions {
  /** Replaces the default check of the request target, which accepts paths that begin with one slash. */
  checkTarget?: (req: IncomingMessage) => void
}

/**
 * Refuses requests that Node.js accepts but that programs interpret differently: other HTTP versions, targets that are
 * not a path, a missing or repeated Host, transfer codings other than chunked, more than 100 headers.
 *
 * @throws ServiceError `invalid_request`, `headers_too_large` or `idempotency_key_invalid`.
 */
export function guard(options: GuardOptions = {}): Middleware {
  const check = requestCheck(options)
  return middleware(function guard(ctx) {
    check(ctx.req)
    ctx.originalUrl = ctx.req.url ?? ''
  })
}

/** The same check for requests that do not reach the middleware. Throws the same errors. */
export function requestCheck(options: GuardOptions = {}): (req: IncomingMessage) => void {
  const { checkTarget = checkPath } = options
  /** Connections on which the start of the next request is unknown. */
  const unframed = new WeakSet<Socket>()
  return (req) => {
    if (unframed.has(req.socket) || !isFramed(req)) {
      // Node.js parses the bytes after such a body as requests, but they may belong to the body.
      unframed.add(req.socket)
      throw new ServiceError(
        'invalid_request',
        'The only accepted transfer coding is chunked, with HTTP/1.1.',
        {
          headers: { Connection: 'close' },
        },
      )
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
  // The parser accepts HTTP/0.9 and HTTP/2.0 in a request line.
  if (req.httpVersion === '1.1' || req.httpVersion === '1.0') return
  throw new ServiceError('invalid_request', 'The protocol must be HTTP/1.1 or HTTP/1.0.')
}

const ABSOLUTE = /^https?:\/\/([^/?#]+)(\/?[^#]*)$/i

/**
 * Sets `req.url` to path and query, which are what was signed, also for an absolute target (RFC 9112, 3.2.2). The host
 * of an absolute target must equal the Host header.
 */
function checkPath(req: IncomingMessage): void {
  const [, host, rest = ''] = ABSOLUTE.exec(req.url ?? '') ?? []
  if (host !== undefined) {
    const named = req.headers.host
    if (named !== undefined && named.toLowerCase() !== host.toLowerCase()) {
      throw new ServiceError(
        'invalid_request',
        'The request target and the Host header name different hosts.',
      )
    }
    req.url = rest.startsWith('/') ? rest : `/${rest}`
  }
  const target = req.url ?? ''
  // A target that begins with // can be read as a host; a fragment is never sent in a valid request.
  if (target.startsWith('/') && !target.startsWith('//') && !target.includes('#')) return
  throw new ServiceError(
    'invalid_request',
    'The request target must be a path that begins with one slash, or http://HOST followed by such a path.',
  )
}

function checkHeaders(req: IncomingMessage): void {
  const { rawHeaders } = req
  if (rawHeaders.length / 2 > MAX_HEADERS)
    throw new ServiceError('headers_too_large', `The request has more than ${MAX_HEADERS} headers.`)
  let seen = NONE
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const single = singleOf(rawHeaders[i] ?? '')
    if ((seen & single) !== 0) throw repeatedHeader(rawHeaders[i] ?? '')
    seen |= single
  }
  if ((seen & HOST) === 0 && req.httpVersion !== '1.0')
    throw new ServiceError('invalid_request', 'The Host header is missing.')
}

function repeatedHeader(spelled: string): ServiceError {
  const name = spelled.toLowerCase()
  const code = SINGLES.find((single) => single.name === name)?.code ?? 'invalid_request'
  return new ServiceError(code, `The header ${name} was sent more than once.`)
}

/** The second one matches an Accept header that names the charset. */
const RESPONSE_TYPES = ['application/json', 'application/json; charset=utf-8']

/** Browsers send about 150 characters. Parsing a long list takes more than linear time. */
const MAX_LIST = 1_024

/** Throws `not_acceptable` if Accept or Accept-Encoding is too long. */
export function checkLists({ headers }: IncomingMessage): void {
  for (const list of [headers.accept, headers['accept-encoding']]) {
    if (list !== undefined && list.length > MAX_LIST)
      throw new ServiceError(
        'not_acceptable',
        `Accept and Accept-Encoding may have at most ${MAX_LIST} characters.`,
      )
  }
}

/** Refuses a request with `not_acceptable` if its Accept header excludes JSON. */
export function acceptJson(): Middleware {
  return middleware(function acceptJson(ctx) {
    checkLists(ctx.req)
    if (ctx.req.headers.accept !== undefined && ctx.accepts(RESPONSE_TYPES) === false)
      throw new ServiceError(
        'not_acceptable',
        'The response is application/json, which the Accept header does not allow.',
      )
  })
}
