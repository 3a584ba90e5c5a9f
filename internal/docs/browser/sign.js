// Signs a request with v1, in the browser: the counterpart of internal/signature/schemes.ts.

/**
 * The value of X-Signature. Strings are signed as UTF-8.
 * @param {{ secret: string, timestamp: number, method: string, target: string, client: string, key: string, body: string }} request
 *   `timestamp` in Unix seconds, `target` path and query as sent, `key` '' without one, `body` '' without one
 */
export async function signV1({ secret, timestamp, method, target, client, key, body }) {
  const digest = hex(await crypto.subtle.digest('SHA-256', utf8(body)))
  const text = ['v1', timestamp, method, target, client, key, digest].join('\n')
  const algorithm = { name: 'HMAC', hash: 'SHA-256' }
  const secretKey = await crypto.subtle.importKey('raw', utf8(secret), algorithm, false, ['sign'])
  return `t=${timestamp},v1=${hex(await crypto.subtle.sign('HMAC', secretKey, utf8(text)))}`
}

/** @param {string} text */
function utf8(text) {
  return new TextEncoder().encode(text)
}

/** @param {ArrayBuffer} bytes */
function hex(bytes) {
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
