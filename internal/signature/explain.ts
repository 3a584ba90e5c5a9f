import { createHmac, type KeyObject } from 'node:crypto'
import type { ClientRegistry, Scheme } from './client-registry.ts'
import { MAX_TRY_BYTES } from './json-styles.ts'
import type { Attempt, Draft, Mistake } from './mistakes.ts'
import type { SignedRequest } from './schemes.ts'
import { secretMistakes } from './secret-mistakes.ts'
import { readSignature } from './signature-header.ts'
import { attemptOf } from './signing-attempt.ts'
import { claimedClient, coveredBytes, type SignatureFault, verify } from './verify.ts'

export interface ExplainSettings {
  toleranceMs: number
  nowMs: number
  /** The client that the partner means to be; undefined: the client that the request names. */
  client?: string | undefined
}

export interface Explanation {
  code: 'ok' | SignatureFault
  scheme: Scheme | 'none'
  /** The client that the request names; undefined if that is not a client id. */
  client: string | undefined
  /** The `detail` of the response of the service; undefined if the signature is accepted. */
  detail: string | undefined
  /** The bytes that must be signed; undefined if the headers do not determine them. */
  stringToSign: Buffer | undefined
  /** The probable mistakes, as text; empty if no known mistake gives this signature. */
  mistakes: string[]
}

/** A larger timestamp must be in milliseconds: in seconds it would be after the year 5000. */
const MILLISECONDS_FROM = 100_000_000_000

/** Verifies as the service does for a client with these secrets, and explains the result. Pure; may take 0.5 s. */
export function explain(
  request: SignedRequest,
  secrets: readonly KeyObject[],
  settings: ExplainSettings,
): Explanation {
  const signature = readSignature(request.rawHeaders)
  const client = claimedClient(signature, request.rawHeaders)
  const clock = Math.floor(settings.nowMs / 1000)
  const permanent = secrets.map((key) => ({ key, expiresAtMs: undefined }))
  const registry = {
    find: (id: string) => (id === client ? { id, secrets: permanent, minScheme: undefined } : undefined),
  }
  const rules = { minScheme: 'v0', toleranceMs: settings.toleranceMs } as const
  const verdict = verify(request, registry, rules, settings.nowMs)
  const known = { scheme: verdict.scheme, client, stringToSign: expected(request, client ?? '') }
  if (verdict.ok) {
    const other = settings.client !== undefined && settings.client !== client ? settings.client : undefined
    if (other === undefined) return { ...known, code: 'ok', detail: undefined, mistakes: [] }
    const detail = 'The signature matches this secret, but the service uses the secret of another client.'
    const mistake = `the request names the client "${client}", not "${other}": send X-Client-Id: ${other} (with RFC 9421: keyid)`
    return { ...known, code: 'signature_invalid', detail, mistakes: [mistake] }
  }

  const mistakes: string[] = []
  const time = timeOf(request)
  if (verdict.code === 'timestamp_out_of_range' && time !== undefined)
    mistakes.push(clockMistake(time, clock))
  const options = { clock, guess: true, client: settings.client }
  mistakes.push(...(diagnose(request, secrets, options) ?? []))
  return { ...known, code: verdict.code, detail: verdict.detail, mistakes }
}

/**
 * What is wrong with an invalid signature, for test environments. Undefined unless a known mistake, made with the real
 * secret, gives exactly this signature: a caller without the secret learns nothing.
 */
export function hintFor(request: SignedRequest, registry: ClientRegistry, nowMs: number): string | undefined {
  const id = claimedClient(readSignature(request.rawHeaders), request.rawHeaders)
  const client = id === undefined ? undefined : registry.find(id)
  // The search delays the response: by milliseconds, unless the body is large.
  if (client === undefined || request.body.bytes.length > MAX_TRY_BYTES) return undefined
  const options = { clock: Math.floor(nowMs / 1000), guess: false, client: undefined }
  const keys = client.secrets.map(({ key }) => key)
  const mistakes = diagnose(request, keys, options)
  return mistakes === undefined || mistakes.length === 0 ? undefined : mistakes.join('; ')
}

interface DiagnoseOptions {
  /** Unix seconds. */
  clock: number
  /** Whether to try signatures that a caller without the secret can make. */
  guess: boolean
  client: string | undefined
}

/** The most bytes that a search hashes: 40,000 strings to sign, about 0.3 s. Frequent mistakes come first. */
const BUDGET_BYTES = 24_000_000
/** The fixed cost of one HMAC, expressed in hashed bytes. */
const BYTES_PER_TRY = 600

/** The fewest mistakes (0 to 2) with which one of the secrets gives the signature that was sent; undefined: none found. */
function diagnose(
  request: SignedRequest,
  secrets: readonly KeyObject[],
  options: DiagnoseOptions,
): string[] | undefined {
  const attempts = attemptOf(request, options)
  const keys = secrets.map((secret) => secret.export())
  const depths = request.body.bytes.length > MAX_TRY_BYTES ? [0, 1] : [0, 1, 2]
  const budget = { bytes: BUDGET_BYTES }
  for (const depth of depths) {
    for (const attempt of attempts.filter(({ maxMistakes }) => depth <= maxMistakes)) {
      for (const [i, secret] of keys.entries()) {
        // The last depth uses up the budget, so each secret gets an equal share of it.
        const share = { bytes: depth < 2 ? budget.bytes : Math.floor(budget.bytes / (keys.length - i)) }
        const given = share.bytes
        const found = search(attempt, secret, { depth, guess: options.guess, budget: share })
        if (found !== undefined) return found
        budget.bytes -= given - share.bytes
      }
    }
  }
  return undefined
}

interface SearchOptions {
  depth: number
  guess: boolean
  /** Reduced by each try. */
  budget: { bytes: number }
}

function search(
  attempt: Attempt,
  secret: Buffer,
  { depth, guess, budget }: SearchOptions,
): string[] | undefined {
  const mistakes = [...secretMistakes(secret, guess), ...attempt.mistakes]
  for (const chosen of choices(mistakes, depth)) {
    const draft = chosen.reduce((so, mistake) => mistake.change(so), { ...attempt.draft, secret })
    const text = bytesOf(draft)
    budget.bytes -= text.length + BYTES_PER_TRY
    if (budget.bytes < 0) return undefined
    const mac = macOf(draft, text)
    const match = attempt.macs.find((candidate) => candidate.matches(mac))
    if (match === undefined) continue
    // A MAC of another algorithm has another length; the wrong length is not reported as a second mistake.
    const form = mac.length !== HMAC_BYTES ? [] : attempt.form
    const written = match.hint === undefined ? form : [match.hint]
    return [...written, ...chosen.map(({ hint }) => hint)]
  }
  return undefined
}

const HMAC_BYTES = 32

function* choices(mistakes: readonly Mistake[], depth: number): Generator<Mistake[]> {
  if (depth === 0) yield []
  if (depth === 1) for (const one of mistakes) yield [one]
  if (depth < 2) return
  const pairing = mistakes.filter(({ alone }) => alone !== true)
  for (const [i, one] of pairing.entries()) {
    for (const other of pairing.slice(i + 1)) if (other.axis !== one.axis) yield [one, other]
  }
}

function bytesOf(draft: Draft): Buffer {
  const { fields, separator, end, recipe, encode } = draft
  const text = recipe?.(draft) ?? `${fields.filter((field) => field !== undefined).join(separator)}${end}`
  return encode?.(text) ?? Buffer.from(text, 'latin1')
}

function macOf({ secret, macOf: other }: Draft, text: Buffer): Buffer {
  return other?.(secret, text) ?? createHmac('sha256', secret).update(text).digest()
}

function expected(request: SignedRequest, client: string): Buffer | undefined {
  const signature = readSignature(request.rawHeaders)
  if (typeof signature === 'object' && 'scheme' in signature) {
    const { bytes, unambiguous } = coveredBytes(signature, request, client)
    return unambiguous ? bytes : undefined
  }
  // The header is malformed, but its time may still be readable.
  const [attempt] = attemptOf(request, { clock: 0, client: undefined, guess: false })
  return attempt === undefined ? undefined : bytesOf({ ...attempt.draft, secret: Buffer.alloc(0) })
}

function timeOf(request: SignedRequest): number | undefined {
  const signature = readSignature(request.rawHeaders)
  if (typeof signature !== 'object' || !('scheme' in signature)) return undefined
  if (signature.scheme === 'v1') return signature.timestamp
  return signature.scheme === 'rfc9421' ? signature.created : undefined
}

function clockMistake(time: number, clock: number): string {
  if (time >= MILLISECONDS_FROM) return 'the time is in milliseconds: send whole Unix seconds'
  const apart = Math.abs(clock - time)
  const side = time < clock ? 'behind' : 'ahead of'
  const hours = apart / 3_600
  if (apart > 1_700 && hours < 14.2 && Math.abs(hours * 2 - Math.round(hours * 2)) < 0.1) {
    return `the time is ${Math.round(hours * 2) / 2} h ${side} the clock here: probably local time was taken for UTC, so make the time from UTC`
  }
  return `the time is ${apart} s ${side} the clock here: one of the clocks is off, or the request was signed long before it was sent`
}
