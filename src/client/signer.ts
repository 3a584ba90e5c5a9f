const encoder = new TextEncoder()

/** What a v1 signature covers, besides the client and the secret. */
export interface Signable {
  /** Unix seconds. */
  timestamp: number
  method: string
  /** Path and query exactly as they are sent. */
  target: string
  /** The value of `Idempotency-Key` as sent, '' without one. */
  key: string
  /** The body as it is sent. */
  body: Uint8Array
}

export interface Signer {
  /** The value of `X-Client-Id`. */
  readonly client: string
  /** The value of `X-Signature`. */
  sign(request: Signable): Promise<string>
}

const CLIENT_ID = /^[A-Za-z0-9._-]{1,64}$/

/** Signs with scheme v1, using WebCrypto. The secret is kept as a key that cannot be exported. */
export function createSigner(client: string, secret: string): Signer {
  if (!CLIENT_ID.test(client))
    throw new RangeError(
      `client must be 1 to 64 characters of A-Z a-z 0-9 . _ -, not ${JSON.stringify(client)}`,
    )
  if (typeof secret !== 'string' || secret === '') throw new RangeError('secret must be a non-empty string')
  // Browsers have WebCrypto only in secure contexts: https, or http on localhost.
  const subtle = globalThis.crypto?.subtle
  if (subtle === undefined)
    throw new Error('WebCrypto is not available here: browsers offer it only on https pages and on localhost')
  const importing = subtle.importKey(
    'raw',
    encoder.encode(secret),
    { name: 'HMAC', hash: 'SHA-256' },
    false,
    ['sign'],
  )
  // The first signature reports a failure; an unhandled rejection must not end the process before.
  importing.catch(() => {})

  return {
    client,
    async sign({ timestamp, method, target, key, body }) {
      const digest = hex(await subtle.digest('SHA-256', copy(body)))
      const text = `v1\n${timestamp}\n${method}\n${target}\n${client}\n${key}\n${digest}`
      return `t=${timestamp},v1=${hex(await subtle.sign('HMAC', await importing, encoder.encode(text)))}`
    },
  }
}

/** A copy in its own buffer, which the caller cannot change later. */
export function copy(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes)
}

function hex(bytes: ArrayBuffer): string {
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
