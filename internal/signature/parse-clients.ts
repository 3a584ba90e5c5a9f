import { isUtf8 } from 'node:buffer'
import { z } from 'zod'
import { errorMessage } from '../core/error-message.ts'
import { parseJson } from '../core/parse-json.ts'
import {
  CLIENT_ID,
  type Client,
  MAX_SECRETS,
  OPEN_CLIENT,
  permanentSecret,
  SCHEMES,
} from './client-registry.ts'
import { pointer, repeatedMember } from './repeated-member.ts'

export interface ClientRules {
  /** Clients that are defined outside the file and must not be in it. */
  readonly taken: readonly string[]
  /** Secrets that are refused because they are published. */
  readonly refusedSecrets: readonly string[]
  /** The minimum length of a secret in UTF-8; 1 by default. */
  readonly minSecretBytes?: number
  /** Throws an Error with the reason if rate limits cannot be parsed. */
  readonly checkLimits?: ((text: string) => void) | undefined
}

const BYTE_ORDER_MARK = '\ufeff'

/** The error texts are fixed: neither they nor the texts of zod used here contain a value from the file. */
const entry = z.strictObject(
  {
    secrets: z
      .array(z.string('must be a string').min(1, 'must not be empty'), 'must be a list of secrets')
      .refine(
        (list) => list.length >= 1 && list.length <= MAX_SECRETS,
        `must hold 1 to ${MAX_SECRETS} secrets`,
      )
      .refine((list) => new Set(list).size === list.length, 'must not hold the same secret twice'),
    min_scheme: z.enum(SCHEMES, `must be one of ${SCHEMES.join(', ')}`).optional(),
    limits: z.string('must be a string such as client=600/60s').optional(),
  },
  'must be {"secrets": [...], "min_scheme": "...", "limits": "..."} and nothing else',
)

/** Parses `{client: {secrets, min_scheme, limits}}`. Throws one Error that lists every fault and contains no secret. */
export function parseClients(bytes: Buffer, file: string, rules: ClientRules): Map<string, Client> {
  const json = parseFile(bytes, file)
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new Error(`${file}: the whole file must be one JSON object {client: {secrets, min_scheme, limits}}`)
  const clients = new Map<string, Client>()
  const faults: string[] = []
  for (const [id, value] of Object.entries(json)) {
    const fault = (path: readonly PropertyKey[], rule: string) =>
      faults.push(`${pointer([id, ...path])} ${rule}`)
    if (!CLIENT_ID.test(id)) fault([], 'is not a client id: 1 to 64 of A-Z a-z 0-9 . _ -')
    if (id === OPEN_CLIENT) fault([], 'is reserved for callers without credentials')
    if (rules.taken.includes(id)) fault([], 'is already defined outside this file (HMAC_SECRET)')
    const parsed = entry.safeParse(value)
    if (!parsed.success) {
      for (const issue of parsed.error.issues) fault(issue.path, issue.message)
      continue
    }
    const { secrets, min_scheme: minScheme, limits } = parsed.data
    for (const [i, text] of secrets.entries()) {
      if (rules.refusedSecrets.includes(text)) fault(['secrets', i], 'is a published secret')
      if (text.trim() !== text) fault(['secrets', i], 'must have no white space at its ends')
      if (Buffer.byteLength(text) < (rules.minSecretBytes ?? 1))
        fault(['secrets', i], `must have at least ${rules.minSecretBytes} bytes in production`)
    }
    const limitsFault = limits === undefined ? undefined : faultOf(limits, rules.checkLimits)
    if (limitsFault !== undefined) fault(['limits'], limitsFault)
    clients.set(id, { id, secrets: secrets.map(permanentSecret), minScheme, limits })
  }
  if (faults.length > 0) throw new Error(`${file}: ${faults.join('; ')}`)
  return clients
}

function faultOf(limits: string, check: ClientRules['checkLimits']): string | undefined {
  try {
    check?.(limits)
    return undefined
  } catch (error) {
    return `cannot be read: ${errorMessage(error)}`
  }
}

function parseFile(bytes: Buffer, file: string): unknown {
  if (!isUtf8(bytes))
    throw new Error(`${file}: the file must be UTF-8${hasUtf16Mark(bytes) ? ', and is UTF-16' : ''}`)
  const text = bytes.toString('utf8')
  if (text.startsWith(BYTE_ORDER_MARK))
    throw new Error(`${file}: the file begins with a byte order mark (BOM): save it as UTF-8 without one`)
  const value = parseJson(text)
  // Without the message of JSON.parse: it quotes a part of the text, which may be a secret.
  if (value === undefined) throw new Error(`${file}: the file must be valid JSON`)
  const repeated = repeatedMember(text)
  if (repeated !== undefined) throw new Error(`${file}: ${repeated} appears twice`)
  return value
}

/** Some editors save UTF-16 under the name "Unicode". */
function hasUtf16Mark([first, second]: Buffer): boolean {
  return (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)
}
