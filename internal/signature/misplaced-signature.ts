import { headerValues } from '../core/header-values.ts'

/** Headers in which other services expect a signature. */
const ELSEWHERE = [
  'x-hub-signature-256',
  'x-hub-signature',
  'x-signature-256',
  'x-hmac-signature',
  'x-hmac-sha256',
  'x-hmac',
  'hmac-signature',
  'x-webhook-signature',
  'webhook-signature',
  'stripe-signature',
  'x-request-signature',
  'x-sign',
  'x-auth-signature',
  'signature',
  'authorization',
]

const TIMES = [
  'x-timestamp',
  'x-signature-timestamp',
  'x-request-timestamp',
  'x-auth-timestamp',
  'webhook-timestamp',
  'timestamp',
]

/** A signature that was sent in another header. Only for requests without `X-Signature`. */
export function misplacedSignature(
  rawHeaders: readonly string[],
): { name: string; values: readonly string[] } | undefined {
  for (const name of ELSEWHERE) {
    const values = headerValues(rawHeaders, name)
    if (values.length > 0) return { name, values }
  }
  return undefined
}

/** A time that was sent in a separate header. */
export function misplacedTime(rawHeaders: readonly string[]): { name: string; time: string } | undefined {
  for (const name of TIMES) {
    const [time] = headerValues(rawHeaders, name)
    if (time !== undefined && /^[0-9]{1,13}$/.test(time)) return { name, time }
  }
  return undefined
}

/** What a proxy reports in headers about the request that it received. */
export function proxyHeaders(rawHeaders: readonly string[]): {
  hosts: string[]
  prefixes: string[]
  targets: string[]
} {
  const all = (...names: string[]) =>
    names.flatMap((name) => headerValues(rawHeaders, name)).slice(0, MAX_VALUES)
  const targets = all(
    'x-original-uri',
    'x-original-url',
    'x-rewrite-url',
    'x-forwarded-uri',
    'x-envoy-original-path',
  )
  const prefixes = all('x-forwarded-prefix', 'x-script-name', 'x-forwarded-path')
  return {
    hosts: [...new Set(all('host', 'x-forwarded-host', 'x-original-host'))],
    prefixes: prefixes.map((prefix) => prefix.replace(/\/$/, '')),
    targets: targets.filter((target) => target.startsWith('/')),
  }
}

const MAX_VALUES = 4
