import { hash } from 'node:crypto'
import { z } from 'zod'
import { parseTime, TIME_RULE } from '../../internal/core/time.ts'
import { fingerprintOf, requestText } from '../../internal/idempotency/fingerprint.ts'
import { outcomeOf, REPLAYED_HEADERS } from '../../internal/idempotency/idempotency.ts'
import { STRICT_KEY } from '../../internal/idempotency/idempotency-key.ts'
import type { ImportedKey } from '../../internal/idempotency/key-records.ts'
import type { StoredResponse } from '../../internal/idempotency/store.ts'
import { ANONYMOUS } from '../../internal/proxy/name-caller.ts'
import { isRecorded } from '../../internal/proxy/response-headers.ts'
import { meaningOf } from '../../internal/proxy/response-meaning.ts'
import { credentialsOf, selectorsOf } from '../../internal/proxy/telling-headers.ts'
import { CLIENT_ID } from '../../internal/signature/client-registry.ts'
import { ROUTES, scopeOf } from '../service/routes.ts'
import { parseJsonLine } from './parse-json-line.ts'

const LONE_SURROGATE = /\p{Cs}/u
const wellFormed = z
  .string()
  .refine((text) => !LONE_SURROGATE.test(text), 'has half of a character (\\ud800)')
const base64 = z
  .string()
  .regex(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/, 'must be base64')
const headerName = z.string().regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}$/, 'must be the name of a header')
/** What Node sends: Latin-1 without control characters. */
const headerValue = z.string().regex(/^[\t -~\x80-\xff]*$/, 'has a character that no header may have')

function hasNoHeaderTwice(headers: Record<string, unknown>): boolean {
  const names = Object.keys(headers)
  return new Set(names.map((name) => name.toLowerCase())).size === names.length
}

const line = z.strictObject({
  client: z.string().regex(CLIENT_ID, 'must be 1 to 64 of A-Z a-z 0-9 . _ -'),
  method: z.string().regex(/^[A-Z]{1,20}$/, 'must be a method in capitals'),
  target: z.string().regex(/^\/[!-~]*$/, 'must be a path with its query, as it was sent'),
  scope: z
    .string()
    .regex(/^[ -~]{1,512}$/)
    .optional(),
  key: z.string().regex(/^[ -~]{1,255}$/, 'must be 1 to 255 characters of printable ASCII'),
  request_headers: z
    .record(headerName, headerValue)
    .refine(hasNoHeaderTwice, 'has a header twice, in another case')
    .optional(),
  request_body: wellFormed.optional(),
  request_body_base64: base64.optional(),
  request_body_sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'must be 64 lowercase hex digits')
    .optional(),
  status: z.int().min(200).max(599),
  headers: z
    .record(headerName, z.union([headerValue, z.array(headerValue)]))
    .refine(hasNoHeaderTwice, 'has a header twice, in another case')
    .default({}),
  body: wellFormed.optional(),
  body_base64: base64.optional(),
  expires_at: z.string().transform(parseExpiry).optional(),
})
type Line = z.infer<typeof line>

function parseExpiry(text: string, { issues }: z.RefinementCtx<string>): Date {
  const time = parseTime(text)
  if (time !== undefined) return time
  issues.push({ code: 'custom', message: `must be ${TIME_RULE}`, input: text })
  return z.NEVER
}

/** A line for `oncekey keys import`. Throws a plain Error with the broken rule. */
export function parseImportedLine(text: string, isSidecar: boolean): ImportedKey {
  const { data, error } = line.safeParse(parseJsonLine(text))
  if (data === undefined) throw new Error(describe(error))
  const scope = data.scope ?? `${data.method} ${data.target.split('?', 1)[0]}`
  if (isSidecar) checkSidecar(data)
  else checkService(data, scope)
  const response = responseOf(data, isSidecar)
  return {
    id: { client: data.client, scope, key: data.key },
    fingerprint: fingerprint(data, isSidecar),
    response,
    expiresAtMs: data.expires_at?.getTime(),
  }
}

function describe({ issues }: z.ZodError): string {
  return issues.map(({ path, message }) => [path.join('.'), message].filter(Boolean).join(': ')).join('; ')
}

function checkService({ request_headers, scope, key, status }: Line, used: string): void {
  if (request_headers !== undefined) throw new Error('request_headers count for the sidecar only: --sidecar')
  const route = ROUTES.find((one) => scopeOf(one) === used)
  // An app with our middleware has its own scopes and names them.
  if (scope === undefined && !hasKeys(route)) {
    throw new Error(
      `${used} is no route of the service with keys; --sidecar is for those of the sidecar, scope for an app`,
    )
  }
  if (route?.key === 'strict header' && !STRICT_KEY.pattern.test(key))
    throw new Error(`key: ${STRICT_KEY.rule}`)
  if (outcomeOf(status, undefined) !== 'completed') throw new Error(notStored(status))
}

function hasKeys(route: (typeof ROUTES)[number] | undefined): boolean {
  return route?.key !== undefined
}

function checkSidecar({ client, request_headers, status }: Line): void {
  if (meaningOf(status, undefined, 'replay') !== 'completed') throw new Error(notStored(status))
  if (request_headers !== undefined && client !== ANONYMOUS)
    throw new Error(`request_headers: only responses of client ${ANONYMOUS} are bound to credentials`)
}

function notStored(status: number): string {
  return `status: a response ${status} is never stored, since a retry runs the request; leave it out`
}

function fingerprint(data: Line, isSidecar: boolean): string {
  const { method, target } = data
  const req = { rawHeaders: Object.entries(data.request_headers ?? {}).flat() }
  const selectors = isSidecar ? selectorsOf({ method, req }) : undefined
  const request = requestText(method, target, requestDigest(data), selectors)
  return fingerprintOf(request, isSidecar ? credentialsOf({ req }) : '')
}

function requestDigest(data: Line): string {
  const { request_body: text, request_body_base64: encoded, request_body_sha256: digest } = data
  if ([text, encoded, digest].filter((one) => one !== undefined).length !== 1)
    throw new Error('needs one of request_body, request_body_base64 and request_body_sha256')
  return digest ?? hash('sha256', text === undefined ? Buffer.from(encoded ?? '', 'base64') : text)
}

const SERVICE_HEADERS: ReadonlySet<string> = new Set(REPLAYED_HEADERS.map((name) => name.toLowerCase()))

function responseOf(
  { status, headers: given, body: text, body_base64 }: Line,
  isSidecar: boolean,
): StoredResponse {
  if (text !== undefined && body_base64 !== undefined)
    throw new Error('needs body or body_base64, and not both')
  const body = text === undefined ? Buffer.from(body_base64 ?? '', 'base64') : Buffer.from(text)
  const isReplayed = (name: string) => (isSidecar ? isRecorded(name) : SERVICE_HEADERS.has(name))
  const kept = Object.entries(given).filter(([name]) => isReplayed(name.toLowerCase()))
  if (body.length > 0 && !kept.some(([name]) => name.toLowerCase() === 'content-type'))
    kept.unshift(['Content-Type', 'application/json'])
  return { status, headers: Object.fromEntries(kept), body }
}
