import { createCipheriv, createDecipheriv, createHash, createSecretKey, type KeyObject } from 'node:crypto'

/** A key that secrets are sealed under: SECRETS_KEY. A KeyObject, so that logging it prints nothing. */
export interface SealKey {
  /** The first 8 bytes of the SHA-256 of the key, hex: tells keys apart without telling anything of use about them. */
  readonly id: string
  readonly key: KeyObject
}

/** Where a sealed secret belongs: it opens for this client and under this id only. */
export interface SealedPlace {
  client: string
  secretId: string
}

export interface Sealed {
  /** 12 bytes of nonce, ciphertext, 16 bytes of tag. */
  bytes: Buffer
  keyId: string
}

const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** Reads 32 bytes in base64 or base64url. Throws an Error with the rule and without the text. */
export function parseSealKey(text: string): SealKey {
  const bytes = Buffer.from(text, 'base64')
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(text) || bytes.length !== KEY_BYTES)
    throw new Error('must be 32 bytes in base64, as "openssl rand -base64 32" prints them')
  const id = createHash('sha256').update(bytes).digest('hex').slice(0, 16)
  return { id, key: createSecretKey(bytes) }
}

/**
 * AES-256-GCM.
 * @param nonce 12 random bytes, never used before under this key
 */
export function seal(secret: string, place: SealedPlace, key: SealKey, nonce: Buffer): Sealed {
  const cipher = createCipheriv('aes-256-gcm', key.key, nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(associatedData(place))
  const bytes = Buffer.concat([nonce, cipher.update(secret, 'utf8'), cipher.final(), cipher.getAuthTag()])
  return { bytes, keyId: key.id }
}

/** The secret's bytes. Throws if they were sealed under another key or for another place, or were changed. */
export function open(bytes: Buffer, place: SealedPlace, key: SealKey): Buffer {
  const nonce = bytes.subarray(0, NONCE_BYTES)
  const decipher = createDecipheriv('aes-256-gcm', key.key, nonce, { authTagLength: TAG_BYTES })
  decipher.setAAD(associatedData(place))
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES))
  return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()])
}

/** Neither part can hold a line break, so that two places never share it. */
function associatedData({ client, secretId }: SealedPlace): Buffer {
  return Buffer.from(`oncekey client secret\n${client}\n${secretId}`)
}
