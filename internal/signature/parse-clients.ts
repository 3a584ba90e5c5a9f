import { isUtf8 } from 'node:buffer'
import { z } from 'zod'
import { CLIENT_ID, type Client, lasting, MAX_SECRETS, OPEN_CLIENT, SCHEMES } from './client-registry.ts'

export interface ClientRules {
  /** Clients that are defined elsewhere and so must not be in the file. */
  readonly taken: readonly string[]
  /** Published secrets that must not be in force. */
  readonly refusedSecrets: readonly string[]
}

/** Rules in our own words: neither they nor the texts of zod used here ever hold a value. */
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
  },
  'must be {"secrets": [...], "min_scheme": "..."} and nothing else',
)

/**
 * Parses `{client: {secrets: [...], min_scheme}}`. Throws an Error that names the file and, for each fault, the JSON
 * pointer and the rule, but never a secret.
 */
export function parseClients(bytes: Buffer, file: string, rules: ClientRules): Map<string, Client> {
  const json = parseJson(bytes, file)
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new Error(`${file}: the whole file must be one JSON object {client: {secrets, min_scheme}}`)
  }
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
    const { secrets, min_scheme: minScheme } = parsed.data
    for (const [i, text] of secrets.entries()) {
      if (rules.refusedSecrets.includes(text)) fault(['secrets', i], 'is a published secret')
    }
    clients.set(id, { id, secrets: secrets.map(lasting), minScheme })
  }
  if (faults.length > 0) throw new Error(`${file}: ${faults.join('; ')}`)
  return clients
}

function parseJson(bytes: Buffer, file: string): unknown {
  if (!isUtf8(bytes)) throw new Error(`${file}: the file must be UTF-8`)
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    // The message of JSON.parse quotes the text around the fault, which may be a secret.
    throw new Error(`${file}: the file must be valid JSON`)
  }
}

/** RFC 6901. */
function pointer(path: readonly PropertyKey[]): string {
  return path.map((member) => `/${String(member).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}
