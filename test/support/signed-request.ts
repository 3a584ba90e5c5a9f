import { WireBody } from '../../internal/core/request-state.ts'
import {
  type ClientRegistry,
  permanentSecret,
  type Scheme,
} from '../../internal/signature/client-registry.ts'
import { sign } from '../../internal/signature/schemes.ts'
import type { SignedRequest } from '../../internal/signature/verify.ts'

/** 2026-01-01T00:00:00Z, the moment at which the vectors were signed, in Unix seconds. */
export const SIGNED_AT = 1767225600

/** A request before it is signed. `client` undefined: no X-Client-Id; `key` '': no Idempotency-Key. */
export interface Intent {
  method: string
  target: string
  client: string | undefined
  key: string
  body: string | Buffer
  timestamp: number
}

export const ORDER: Intent = {
  method: 'POST',
  target: '/orders?dry_run=1',
  client: 'acme',
  key: 'key-001',
  body: '{"user_id":"user-1","item":"book","amount":500}',
  timestamp: SIGNED_AT,
}

export function signV1(secret: string, intent: Intent): string {
  return sign({ ...intent, client: intent.client ?? 'default', scheme: 'v1', secret })
}

/** The request as Node.js provides it: each character of a header is one byte (latin1). */
export function toRequest(intent: Intent, ...signatures: string[]): SignedRequest {
  const rawHeaders = ['Host', 'localhost', 'Content-Type', 'application/json']
  if (intent.client !== undefined) rawHeaders.push('X-Client-Id', intent.client)
  if (intent.key !== '') rawHeaders.push('Idempotency-Key', onWire(intent.key))
  for (const signature of signatures) rawHeaders.push('X-Signature', signature)
  const { method, target, body } = intent
  return { method, target: onWire(target), rawHeaders, body: new WireBody(Buffer.from(body)) }
}

function onWire(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}

export function registryOf(
  clients: Record<string, { secrets: string[]; minScheme?: Scheme }>,
): ClientRegistry {
  const known = new Map(
    Object.entries(clients).map(([id, { secrets, minScheme }]) => [
      id,
      { id, secrets: secrets.map(permanentSecret), minScheme },
    ]),
  )
  return { find: (client) => known.get(client) }
}
