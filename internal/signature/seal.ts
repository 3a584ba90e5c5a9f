import { createCipheriv, createDecipheriv, createHash, createSecretKey, type KeyObject } from 'node:crypto'

/** A key that seals secrets: SECRETS_KEY. It holds a KeyObject, so that logging it does not print the key. */
export interface SealKey {
  /** The first 8 bytes of the SHA-256 of the key, in hex. It identifies the key and does not reveal it. */
  readonly id: string
  readonly key: KeyObject
}

/** What a sealed secret is bound to: it can be opened only for this client and this id. */
export interface SealBinding {
  client: string
  secretId: string
}

export interface Sealed {
  /** Nonce (12 bytes), ciphertext, tag (16 bytes). */
  bytes: Buffer
  keyId: string
}

const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** Parses 32 bytes in base64 or base64url. Throws an Error that does not quote the text. */
export function parseSealKey(text: string): SealKey {
  const bytes = Buffer.from(text, 'base64')
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(text) || bytes.length !== KEY_BYTES)
    throw new Error('must be 32 bytes in base64, as "openssl rand -base64 32" prints them')
  const id = createHash('sha256').update(bytes).digest('hex').slice(0, 16)
  return { id, key: createSecretKey(bytes) }
}

/**
 * Encrypts a secret with AES-256-GCM.
 *
 * @param nonce 12 random bytes, never used before under this key
 */
export function seal(secret: string, binding: SealBinding, key: SealKey, nonce: Buffer): Sealed {
  const cipher = createCipheriv('aes-256-gcm', key.key, nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(associatedData(binding))
  const bytes = Buffer.concat([nonce, cipher.update(secret, 'utf8'), cipher.final(), cipher.getAuthTag()])
  return { bytes, keyId: key.id }
}

/** The bytes of the secret. Throws if they were sealed under another key or for another binding, or were changed. */
export function open(bytes: Buffer, binding: SealBinding, key: SealKey): Buffer {
  const nonce = bytes.subarray(0, NONCE_BYTES)
  const decipher = createDecipheriv('aes-256-gcm', key.key, nonce, { authTagLength: TAG_BYTES })
  decipher.setAAD(associatedData(binding))
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES))
  return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()])
}

/** Neither part can contain a line break, so no two bindings have the same data. */
function associatedData({ client, secretId }: SealBinding): Buffer {
  return Buffer.from(`oncekey client secret\n${client}\n${secretId}`)
}
