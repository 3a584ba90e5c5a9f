import { createHmac, randomBytes } from 'node:crypto'

/** How secrets of endpoints lie in the database: like those of clients. */
export interface Sealing {
  /** Of the key that seals; undefined: there is none, and no endpoint can be made. */
  readonly keyId: string | undefined
  /** `place`: where it belongs; it opens there only. */
  seal(secret: string, place: SecretPlace): { bytes: Buffer; keyId: string }
  /** Throws where it was sealed under another key or for another place, or was changed. */
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

/**
 * `webhook-signature` of Standard Webhooks: one `v1,<base64>` for each secret.
 * @param seconds Unix time
 */
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
