import { timingSafeEqual } from 'node:crypto'
import { headerValues, keyLines } from '../core/header-values.ts'
import {
  CLIENT_ID,
  type ClientRegistry,
  type ClientSecret,
  DEFAULT_CLIENT,
  isWeaker,
  MAX_SECRETS,
  type Scheme,
  toSecret,
} from './client-registry.ts'
import type { Malformed } from './message-signature.ts'
import { hmac, inLines, isOneLine, type SignedRequest, V1_PREFIX } from './schemes.ts'
import { looksLikeSignatureBase, profileFault, signatureBase } from './signature-base.ts'
import { readSignature, type SignatureHeader } from './signature-header.ts'

export type { SignedRequest }

export interface VerifySettings {
  /** For clients without their own `minScheme`. */
  minScheme: Scheme
  /** By how much a timestamp may differ from our clock, in either direction; compared in whole seconds. */
  toleranceMs: number
}

export type SignatureFault =
  | 'signature_missing'
  | 'signature_invalid'
  | 'timestamp_out_of_range'
  | 'scheme_not_allowed'

export type Verdict = (
  | { ok: true; client: string; scheme: Scheme }
  | { ok: false; scheme: Scheme | 'none'; code: SignatureFault; detail: string }
) & {
  /** Set if the signature is genuine and its secret is retiring: the end of the secret, in Unix milliseconds. */
  secretExpiresAtMs?: number
}

type ReadSignature = Exclude<SignatureHeader, string | Malformed>

const FORM =
  'X-Signature: t=<Unix seconds>,v1=<64 hex digits>, an HMAC-SHA256 made with your secret, and X-Client-Id'
const MISSING = `Send exactly one ${FORM}.`
const MALFORMED = `The signature is not well formed. Send exactly one ${FORM}.`
/** One text for an unknown client and a wrong signature, so that a caller cannot learn which clients exist. */
const NO_MATCH = 'The signature does not match the request as it was received, or the client is not known.'

/** Used for extra HMACs, so that every refusal takes the same time. A match with it is ignored. */
const DECOY = toSecret('decoy')

/**
 * Verifies the signature and returns the client. Response and time are the same for an unknown client, a wrong signature
 * and any number of secrets. The minimum scheme of a client is checked after its signature.
 */
export function verify(
  request: SignedRequest,
  registry: ClientRegistry,
  settings: VerifySettings,
  nowMs: number,
): Verdict {
  const signature = readSignature(request.rawHeaders)
  if (signature === 'missing') return refuse('none', 'signature_missing', MISSING)
  if (signature === 'malformed') return refuse('none', 'signature_invalid', MALFORMED)
  if ('malformed' in signature) return refuse('none', 'signature_invalid', wrongForm(signature.malformed))
  const { scheme } = signature
  const fault = scheme === 'rfc9421' ? profileFault(request, signature) : undefined
  if (fault !== undefined) return refuse(scheme, 'signature_invalid', wrongForm(fault))
  const badTime = timeFault(signature, settings.toleranceMs, seconds(nowMs))
  if (badTime !== undefined) return refuse(scheme, 'timestamp_out_of_range', badTime)
  const id = claimedClient(signature, request.rawHeaders)
  const client = id === undefined ? undefined : registry.find(id)
  const covered = coveredBytes(signature, request, id ?? '')
  const secret = matching(macsOf(signature), covered.bytes, client?.secrets ?? [])
  if (client === undefined || secret === undefined || !covered.unambiguous)
    return refuse(scheme, 'signature_invalid', NO_MATCH)
  const { expiresAtMs } = secret
  const expiry = expiresAtMs === undefined ? {} : { secretExpiresAtMs: expiresAtMs }
  const minScheme = client.minScheme ?? settings.minScheme
  if (isWeaker(scheme, minScheme)) {
    const detail = `Sign with ${minScheme}: ${scheme} is too weak for this client.`
    return { ...refuse(scheme, 'scheme_not_allowed', detail), ...expiry }
  }
  if (scheme === 'v0' && request.body.bytes.length === 0) {
    const detail = 'Sign with v1: v0 covers only the body, and there is none.'
    return { ...refuse(scheme, 'scheme_not_allowed', detail), ...expiry }
  }
  return { ok: true, client: client.id, scheme, ...expiry }
}

function refuse(scheme: Scheme | 'none', code: SignatureFault, detail: string): Verdict {
  return { ok: false, scheme, code, detail }
}

/** For faults that are found before the client is looked up. */
function wrongForm(fault: string): string {
  return `The signature does not have the required form: ${fault}.`
}

function timeFault(signature: ReadSignature, toleranceMs: number, clock: number): string | undefined {
  if (signature.scheme === 'v0') return undefined
  const [name, time] = signature.scheme === 'v1' ? ['t', signature.timestamp] : ['created', signature.created]
  if (Math.abs(clock - time) * 1000 > toleranceMs) {
    return `${name} must be Unix seconds (not milliseconds) within ${toleranceMs / 1000} s of our clock, which reads ${clock}.`
  }
  if (signature.scheme === 'rfc9421' && signature.expires !== undefined && clock > signature.expires) {
    return `The signature has expired: our clock reads ${clock}.`
  }
  return undefined
}

function seconds(ms: number): number {
  return Math.floor(ms / 1000)
}

/** Undefined for an id that no client can have; it is handled as an unknown client. */
export function claimedClient(signature: SignatureHeader, rawHeaders: readonly string[]): string | undefined {
  const keyid = typeof signature === 'object' && 'keyid' in signature ? signature.keyid : undefined
  const values = headerValues(rawHeaders, 'x-client-id')
  const id = keyid ?? (values.length === 0 ? DEFAULT_CLIENT : values.join(','))
  return CLIENT_ID.test(id) ? id : undefined
}

/**
 * The bytes that the signature must cover. They are ambiguous, and never accepted, if a field has a line break or if a v0
 * body has the form of another scheme's string to sign: then a signature of that scheme could be replayed as v0.
 */
export function coveredBytes(
  signature: ReadSignature,
  request: SignedRequest,
  client: string,
): { bytes: Buffer; unambiguous: boolean } {
  const { method, target, body } = request
  if (signature.scheme === 'v0') {
    const isV1 = body.bytes.subarray(0, V1_PREFIX.length).equals(V1_PREFIX)
    return { bytes: body.bytes, unambiguous: !isV1 && !looksLikeSignatureBase(body.bytes) }
  }
  if (signature.scheme === 'rfc9421') {
    const base = signatureBase(request, signature)
    return { bytes: Buffer.from(base ?? '', 'latin1'), unambiguous: base !== undefined }
  }
  // HTTP joins repeated lines into one value. The idempotency middleware decides whether such a key is valid.
  const key = keyLines(request.rawHeaders).join(', ')
  const unambiguous = isOneLine(target) && isOneLine(key) && isOneLine(method)
  const text = inLines({
    timestamp: signature.timestamp,
    method: unambiguous ? method : '',
    target: unambiguous ? target : '',
    client,
    key: unambiguous ? key : '',
    bodySha256: body.sha256,
  })
  // Node.js decodes headers as latin1; encoding as latin1 gives the received bytes.
  return { bytes: Buffer.from(text, 'latin1'), unambiguous }
}

function macsOf(signature: ReadSignature): readonly Buffer[] {
  return signature.scheme === 'v1' ? signature.macs : [signature.mac]
}

/**
 * The secret that a signature was made with. If several match, the one that ends last: a client that already signs with
 * the new secret needs no warning about the old one. No early exit, and the same work for every refusal.
 */
function matching(
  macs: readonly Buffer[],
  bytes: Buffer,
  secrets: readonly ClientSecret[],
): ClientSecret | undefined {
  let found: ClientSecret | undefined
  for (const secret of secrets) {
    const matches = isAmong(macs, hmac(secret.key, bytes))
    if (matches && (found === undefined || endOf(secret) > endOf(found))) found = secret
  }
  for (let i = secrets.length; found === undefined && i < MAX_SECRETS; i++) isAmong(macs, hmac(DECOY, bytes))
  return found
}

function endOf(secret: ClientSecret): number {
  return secret.expiresAtMs ?? Number.POSITIVE_INFINITY
}

/** All have 32 bytes: the grammar of the header and SHA-256 ensure that. */
function isAmong(macs: readonly Buffer[], expected: Buffer): boolean {
  let found = false
  for (const mac of macs) found = timingSafeEqual(mac, expected) || found
  return found
}
