import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { middleware } from '../core/compose.ts'
import { bySpelling } from '../core/header-values.ts'
import type { Middleware } from '../core/request-state.ts'
import { type ProblemCode, ServiceError } from '../core/service-error.ts'

/** Real partners send about fifteen. */
const MAX_HEADERS = 100

/** Headers that must not come twice: two parties could each go by another one. */
const SINGLES: readonly { name: string; code: ProblemCode }[] = [
  { name: 'host', code: 'invalid_request' },
  { name: 'content-type', code: 'invalid_request' },
  { name: 'content-encoding', code: 'invalid_request' },
  { name: 'idempotency-key', code: 'idempotency_key_invalid' },
]
const NONE = 0
const HOST = 1

/** The bit of a header that must not come twice, by its place in SINGLES; NONE for every other header. */
const singleOf = bySpelling((name) => {
  const place = SINGLES.findIndex((single) => single.name === name)
  return place < 0 ? NONE : 1 << place
})

export interface GuardOptions {
  /** Checks the request target by itself, instead of taking paths that begin with one slash. */
  checkTarget?: (req: IncomingMessage) => void
}

/**
 * Refuses what Node accepts but readers may understand differently: other versions of HTTP, targets that are no path, a
 * missing or second Host, transfer codings other than chunked, very many headers.
 */
export function guard(options: GuardOptions = {}): Middleware {
  const check = requestCheck(options)
  return middleware(function guard(ctx) {
    check(ctx.req)
    ctx.originalUrl = ctx.req.url ?? ''
  })
}

/** The same for requests that reach no middleware. Throws `invalid_request` or `headers_too_large`. */
export function requestCheck(options: GuardOptions = {}): (req: IncomingMessage) => void {
  const { checkTarget = checkPath } = options
  /** Connections on which it is unknown where a request began. */
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

const ABSOLUTE = /^https?:\/\/([^/?#]+)(\/?[^#]*)$/i

/**
 * Leaves the path with its query in `req.url`, also of an absolute target (RFC 9112, 3.2.2): it is what was signed. Its
 * host must be that of the Host header.
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
  // A target that begins with // names a host of its own; a fragment never comes over the wire.
  if (target.startsWith('/') && !target.startsWith('//') && !target.includes('#')) return
  throw new ServiceError(
    'invalid_request',
    'The request target must be a path that begins with one slash, or http://HOST and such a path.',
  )
}

function checkHeaders(req: IncomingMessage): void {
  const { rawHeaders } = req
  if (rawHeaders.length / 2 > MAX_HEADERS)
    throw new ServiceError('headers_too_large', `The request has more than ${MAX_HEADERS} headers.`)
  let seen = NONE
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const single = singleOf(rawHeaders[i] ?? '')
    if ((seen & single) !== 0) throw cameTwice(rawHeaders[i] ?? '')
    seen |= single
  }
  if ((seen & HOST) === 0 && req.httpVersion !== '1.0')
    throw new ServiceError('invalid_request', 'The Host header is missing.')
}

function cameTwice(spelled: string): ServiceError {
  const name = spelled.toLowerCase()
  const code = SINGLES.find((single) => single.name === name)?.code ?? 'invalid_request'
  return new ServiceError(code, `The header ${name} came more than once.`)
}

/** The second for a caller who names the charset too. */
const RESPONSE_TYPES = ['application/json', 'application/json; charset=utf-8']

/** Browsers send some 150 characters. What reads the lists looks at long ones again and again. */
const MAX_LIST = 1_024

/** Throws `not_acceptable` where a list of what the caller takes is far too long to be one. */
export function checkLists({ headers }: IncomingMessage): void {
  for (const list of [headers.accept, headers['accept-encoding']]) {
    if (list !== undefined && list.length > MAX_LIST)
      throw new ServiceError('not_acceptable', `Accept and Accept-Encoding may have ${MAX_LIST} characters.`)
  }
}

/** The responses are JSON: refuses a caller who says that it takes none. */
export function acceptJson(): Middleware {
  return middleware(function acceptJson(ctx) {
    checkLists(ctx.req)
    if (ctx.req.headers.accept !== undefined && ctx.accepts(RESPONSE_TYPES) === false)
      throw new ServiceError('not_acceptable', 'The responses are application/json; see Accept.')
  })
}
