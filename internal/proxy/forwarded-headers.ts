import type { IncomingMessage } from 'node:http'
import { bySpelling } from '../core/header-values.ts'
import type { Trace } from '../core/request-state.ts'
import { ServiceError } from '../core/service-error.ts'
import { outgoingTrace } from '../telemetry/trace.ts'
import { droppedHeaders, isHopByHop } from './connection-headers.ts'
import type { Target } from './target.ts'

/** By these a request is found here and at the backend. */
export interface RequestIds {
  requestId: string
  trace: Trace
}

export interface ForwardedHeadersOptions {
  target: Target
  /** Trusted proxies in front. 0: X-Forwarded-* and the like are dropped. */
  trustProxy: number
  /** The backend gets the Host of the request instead of that of the target. */
  preserveHost: boolean
  /** Names the caller, in lower case. */
  callerHeader: string | undefined
}

/** Headers about the way of a request, besides those set below. */
const FORGEABLE =
  /^(?:forwarded|x-forwarded-.*|x-real-ip|x-client-ip|x-cluster-client-ip|true-client-ip|cf-connecting-ip)$/

/** Whether a header is dropped where no proxy in front is trusted. `name` in lower case. */
export function isForgeable(name: string): boolean {
  return FORGEABLE.test(name)
}

/** Set or dropped here. `expect` is met by this server; `http2-settings` belongs to an upgrade. */
const REPLACED = new Set([
  'host',
  'expect',
  'http2-settings',
  'via',
  'x-request-id',
  'traceparent',
  'tracestate',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
])

/**
 * The headers for the backend, name and value by turns, each line that is passed on as it came. Names with an
 * underscore are dropped: CGI-like backends read `X_Forwarded_For` and `X-Forwarded-For` as the same header.
 * Throws `invalid_request` if the Connection header names a header of the message, or the request goes in circles.
 */
export function forwardedHeaders(
  req: IncomingMessage,
  { requestId, trace }: RequestIds,
  absoluteHost: string | undefined,
  options: ForwardedHeadersOptions,
): string[] {
  const { rawHeaders, headers } = req
  checkCircle(headers.via)
  const dropped = droppedHeaders(rawHeaders, options.callerHeader)
  const trusted = options.trustProxy > 0
  const lines: string[] = ['Host', hostOf(headers.host, absoluteHost, options)]
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    const kind = kindOf(name)
    if (kind === 'ours' || (kind === 'forgeable' && !trusted)) continue
    if (dropped.size > 0 && dropped.has(name.toLowerCase())) continue
    lines.push(name, rawHeaders[i + 1] ?? '')
  }
  const before = (name: string) => {
    const value = trusted ? headers[name] : undefined
    return Array.isArray(value) ? value.join(', ') : value
  }
  const came = before('x-forwarded-for')
  const address = addressOf(req)
  lines.push('X-Forwarded-For', came === undefined ? address : `${came}, ${address}`)
  lines.push('X-Forwarded-Proto', before('x-forwarded-proto') ?? 'http')
  lines.push('X-Request-Id', requestId)
  lines.push('Via', headers.via === undefined ? VIA : `${headers.via}, ${VIA}`)
  const { traceparent, tracestate } = outgoingTrace(trace)
  lines.push('traceparent', traceparent)
  if (tracestate !== undefined) lines.push('tracestate', tracestate)
  const host = before('x-forwarded-host') ?? absoluteHost ?? headers.host
  if (host !== undefined) lines.push('X-Forwarded-Host', host)
  return lines
}

/** A registered name, or an address, and perhaps a port (RFC 9110, 7.2). */
const HOST = /^[\w.~!$&'()*+,;=%:[\]-]+$/

/** The host of an absolute target takes precedence (RFC 9112, 3.2.2). Throws `invalid_request` for an invalid one. */
function hostOf(
  came: string | undefined,
  absolute: string | undefined,
  { preserveHost, target }: ForwardedHeadersOptions,
): string {
  const host = preserveHost ? (absolute ?? came) : undefined
  if (host === undefined) return target.host
  if (HOST.test(host)) return host
  throw new ServiceError('invalid_request', 'The Host header is not the name of a host.')
}

/** 'ours': set by this proxy, or dropped. */
type Kind = 'ours' | 'forgeable' | 'theirs'

const kindOf = bySpelling((name): Kind => {
  if (REPLACED.has(name) || isHopByHop(name) || name.includes('_')) return 'ours'
  return FORGEABLE.test(name) ? 'forgeable' : 'theirs'
})

const VIA = '1.1 oncekey'
/** More hops than any set-up needs: the target leads back here. */
const MAX_HOPS = 10

/** Otherwise a request would circle until its headers are too large. */
function checkCircle(via: string | undefined): void {
  if (via === undefined || via.split(VIA).length - 1 < MAX_HOPS) return
  throw new ServiceError(
    'invalid_request',
    `The request has been through ${MAX_HOPS} of these proxies: it goes round in circles.`,
  )
}

/** IPv4 addresses without their IPv6 form. */
function addressOf({ socket }: IncomingMessage): string {
  const address = socket.remoteAddress ?? 'unknown'
  return address.startsWith('::ffff:') ? address.slice(7) : address
}
