import { randomBytes } from 'node:crypto'
import type { Scheme } from '../../internal/signature/client-registry.ts'
import { signedHeaders } from '../../internal/signature/sign-request.ts'
import type { FrontKind } from './front-kind.ts'
import { type RawReply, raw } from './raw.ts'
import { startFront } from './running-front.ts'
import type { Echo, Upstreams } from './upstreams.ts'

/** What came of each check; `ok` is what we want of the recommended settings. */
export interface FrontReport {
  /** Signed orders with v1 and RFC 9421, with a length and in chunks, replayed; problem documents come through. */
  orders: string
  /** Signed targets that are refused, since the proxy has changed them. */
  targets: string
  /** The client's address as the sidecar takes it, for a client that sends an X-Forwarded-For of its own. */
  address: string
  /** The Host that the backend is told. */
  host: string
  /** How often a request reaches a server that closes its connection without a response. */
  resends: string
  /** What a client gets where nothing listens behind the proxy, and whether a 503 of the service comes through. */
  errors: string
  /** Whether an order that its client has read is given to one who shows no signature. */
  caching: string
}

export const CHECKS: readonly (keyof FrontReport)[] = [
  ...(['orders', 'targets', 'address', 'host', 'resends', 'errors', 'caching'] as const),
]

const SECRET = 'super-secret-key'
const ORDER = '{"user_id":"user-1","item":"book","amount":500}'
/** Valid request targets (RFC 9112, 3.2.1) that programs do send. */
const TARGETS = [
  ...['/a%2Fb', '/a%20b', '/a//b', '/a/./b', '/a/../b', '/a%7Eb', '/a?', '/a?x=%2f', '/a?x=a+b', '/a;v=1'],
  ...['/%61', '/a%C3%A4', "/a'(b)*", '/a?x=[1]', '/a%c3%a4', '/a/'],
]
const FORGED = '203.0.113.9'

export const newId = (): string => randomBytes(8).toString('hex')

function signed(
  scheme: Scheme,
  method: string,
  target: string,
  key: string,
  body: string,
): Record<string, string> {
  const timestamp = Math.floor(Date.now() / 1000)
  return Object.fromEntries(
    signedHeaders(scheme, SECRET, { method, target, client: 'default', key, body, timestamp }),
  )
}

/** Runs all checks against one proxy with these settings. `from`: an address of 127.0.0.0/8 that no other client has. */
export async function checkFront(
  kind: FrontKind,
  settings: string,
  upstreams: Upstreams,
  from: string,
): Promise<FrontReport> {
  const through = async <T>(target: number, work: (port: number) => Promise<T>): Promise<T> => {
    const front = await startFront(kind, settings, target)
    try {
      return await work(front.port)
    } finally {
      await front.stop()
    }
  }
  const ofService = await through(upstreams.service, async (port) => ({
    orders: await orders(port),
    caching: await caching(port),
  }))
  const ofSidecar = await through(upstreams.sidecar, async (port) => ({
    targets: await targets(port),
    ...(await origin(port, from)),
  }))
  const cut = await through(upstreams.cutting.port, async (port) => ({
    resends: await resends(port, upstreams.cutting),
    busy: await raw(port, { method: 'POST', target: `/busy?id=${newId()}` }),
  }))
  const down = await through(upstreams.nothing, (port) => raw(port, { method: 'POST', target: '/orders' }))
  const { targets: changed, address, host } = ofSidecar
  return {
    orders: ofService.orders,
    targets: changed,
    address,
    host,
    resends: cut.resends,
    errors: errors(down, cut.busy),
    caching: ofService.caching,
  }
}

async function orders(port: number): Promise<string> {
  const faults: string[] = []
  for (const scheme of ['v1', 'rfc9421'] as const) {
    for (const chunked of [false, true]) {
      const key = newId()
      const send = () =>
        raw(port, {
          method: 'POST',
          target: '/orders',
          headers: { 'Content-Type': 'application/json', ...signed(scheme, 'POST', '/orders', key, ORDER) },
          body: ORDER,
          chunked,
        })
      const first = await send()
      const again = await send()
      if (first.status !== 201) faults.push(`${scheme}${chunked ? ' in chunks' : ''}: ${first.status}`)
      else if (again.body !== first.body || again.headers.get('idempotent-replayed') !== 'true')
        faults.push('no replay')
    }
  }
  const refused = await raw(port, { method: 'POST', target: '/orders', body: ORDER })
  if (!refused.body.includes('"code":"signature_missing"')) faults.push(`401: ${refused.body.slice(0, 60)}`)
  return faults.length === 0 ? 'ok' : faults.join(', ')
}

async function caching(port: number): Promise<string> {
  const key = newId()
  const headers = { 'Content-Type': 'application/json', ...signed('v1', 'POST', '/orders', key, ORDER) }
  const placed = await raw(port, { method: 'POST', target: '/orders', headers, body: ORDER })
  const id = /"id":"([\w-]+)"/.exec(placed.body)?.[1]
  if (id === undefined) return `no order: ${placed.status}`
  const target = `/orders/${id}`
  const read = await raw(port, { target, headers: signed('v1', 'GET', target, '', '') })
  if (read.status !== 200) return `no reading: ${read.status}`
  const other = await raw(port, { target })
  return other.status === 401 ? 'ok' : `given to others: ${other.status}`
}

async function targets(port: number): Promise<string> {
  const changed: string[] = []
  for (const target of TARGETS) {
    const { status } = await raw(port, { target, headers: signed('v1', 'GET', target, '', '') })
    if (status !== 200) changed.push(`${target} ${status}`)
  }
  return changed.length === 0 ? 'ok' : changed.join(', ')
}

async function origin(port: number, from: string): Promise<Pick<FrontReport, 'address' | 'host'>> {
  const headers = { ...signed('v1', 'GET', '/who', '', ''), 'X-Forwarded-For': FORGED }
  const { body, status } = await raw(port, { target: '/who', from, headers })
  if (status !== 200) return { address: `${status}`, host: '' }
  const echo: Echo = JSON.parse(body)
  // The last one is the address of the proxy itself, as the sidecar saw it.
  const seen = echo.forwardedFor.split(', ').at(-2)
  const address = seen === from ? 'ok' : seen === FORGED ? 'forged' : seen === undefined ? 'the proxy' : seen
  return { address, host: echo.forwardedHost === 'shop.example' ? 'ok' : echo.forwardedHost }
}

/** On a connection to the server that is new, and on one that has served a request before. */
async function resends(port: number, { count }: Upstreams['cutting']): Promise<string> {
  const told: string[] = []
  for (const [what, method, headers] of [
    ['POST', 'POST', {}],
    ['POST without a body', 'POST', {}],
    ['POST with a key', 'POST', { 'Idempotency-Key': 'key' }],
    ['POST with a key and without a body', 'POST', { 'Idempotency-Key': 'key' }],
    ['GET', 'GET', {}],
  ] as const) {
    let most = 0
    for (const reused of [false, true]) {
      if (reused) await raw(port, { target: `/ok?id=${newId()}` })
      const id = newId()
      await raw(port, {
        method,
        target: `/cut?id=${id}`,
        headers,
        ...(what.endsWith(' body') || method === 'GET' ? {} : { body: ORDER }),
      })
      most = Math.max(most, count(id))
    }
    if (most > 1) told.push(`${what} ${most} times`)
  }
  return told.length === 0 ? 'ok' : told.join(', ')
}

function errors(down: RawReply, busy: RawReply): string {
  const passes =
    busy.status === 503 && busy.body.includes('store_unavailable') && busy.headers.get('retry-after') === '1'
  const type = down.headers.get('content-type')?.split(';')[0] ?? 'no body'
  return `${down.status} ${type}${passes ? '' : `; a 503 becomes ${busy.status} ${busy.body.slice(0, 40)}`}`
}
