import { createHmac, randomBytes } from 'node:crypto'

/** Encrypts the secrets of endpoints for the database, as those of clients are. */
export interface Sealing {
  /** Of the key that seals; undefined: there is none, so no endpoint can be made. */
  readonly keyId: string | undefined
  /** `place`: the secret can be opened for this place only. */
  seal(secret: string, place: SecretPlace): { bytes: Buffer; keyId: string }
  /** Throws if it was sealed under another key or for another place, or was changed. */
  open(sealed: { bytes: Buffer; keyId: string }, place: SecretPlace): string
}

export interface SecretPlace {
  client: string
  endpoint: string
  secretId: string
}

const PREFIX = 'whsec_'
const SECRET_BYTES = 32
const MIN_SECRET_BYTES = 24

/** As Standard Webhooks writes them. */
export function newWebhookSecret(): string {
  return `${PREFIX}${randomBytes(SECRET_BYTES).toString('base64')}`
}

export function isWebhookSecret(text: string): boolean {
  return text.startsWith(PREFIX) && keyOf(text).length >= MIN_SECRET_BYTES
}

function keyOf(secret: string): Buffer {
  return Buffer.from(secret.slice(PREFIX.length), 'base64')
}

/** The headers of a webhook by Standard Webhooks, as the service sends it. `seconds`: Unix time. */
export function webhookHeaders(secrets: readonly string[], id: string, seconds: number, body: string) {
  return {
    'Content-Type': 'application/json; charset=utf-8',
    'User-Agent': 'oncekey',
    'webhook-id': id,
    'webhook-timestamp': String(seconds),
    'webhook-signature': webhookSignature(secrets, id, seconds, body),
  }
}

/** `webhook-signature`: one `v1,<base64>` for each secret. */
export function webhookSignature(
  secrets: readonly string[],
  id: string,
  seconds: number,
  body: string,
): string {
  return secrets
    .map((secret) => {
      if (!isWebhookSecret(secret)) throw new Error('no secret of an endpoint')
      return `v1,${createHmac('sha256', keyOf(secret)).update(`${id}.${seconds}.${body}`).digest('base64')}`
    })
    .join(' ')
}
