import type { IncomingMessage } from 'node:http'
import { ServiceError } from '../core/service-error.ts'

export interface Target {
  /** Scheme, host and port, e.g. `http://127.0.0.1:8081`. */
  origin: string
  /** A prefix of every path; '', or with a slash at its begin and none at its end. */
  basePath: string
  /** What the backend gets as Host. */
  host: string
}

/** Throws a plain Error with the rule. */
export function parseTarget(text: string): Target {
  const rule = 'must be http://HOST[:PORT][/PATH] or https://…, without user, query and fragment'
  if (!/^https?:\/\/[^?#@\s]+$/i.test(text) || !URL.canParse(text)) throw new Error(rule)
  const url = new URL(text)
  return { origin: url.origin, basePath: url.pathname.replace(/\/+$/, ''), host: url.host }
}

/** A request target, split and not decoded: `%2e%2e`, `%00` and `//` stay for the backend. */
export interface RequestTarget {
  /** Path and query as they came. */
  pathAndQuery: string
  /** The host of an absolute target, which replaces the Host header (RFC 9112, 3.2.2). */
  host: string | undefined
}

const ABSOLUTE = /^https?:\/\/([^/?]+)(.*)$/i

/** Of an absolute target (RFC 9112, 3.2.2) the path counts, the host is only reported. Throws `invalid_request`. */
export function splitTarget(target: string): RequestTarget {
  if (!target.includes('#')) {
    if (target.startsWith('/')) return { pathAndQuery: target, host: undefined }
    const [, host, rest = ''] = ABSOLUTE.exec(target) ?? []
    if (host !== undefined) return { pathAndQuery: rest.startsWith('/') ? rest : `/${rest}`, host }
  }
  throw new ServiceError('invalid_request', 'The request target must be a path, or an absolute http URL.')
}

/** For the guard: refuses what cannot be forwarded. */
export function checkForwardable(req: IncomingMessage): void {
  splitTarget(req.url ?? '')
  if (req.method === 'TRACE') {
    throw new ServiceError(
      'method_not_allowed',
      'TRACE is not passed on: it would show the headers added here.',
      { headers: { Allow: 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS' } },
    )
  }
  if (/\bwebsocket\b/i.test(req.headers.upgrade ?? '')) {
    throw new ServiceError(
      'invalid_request',
      'WebSocket is not passed on: an open connection has no single response.',
    )
  }
}
