import type { Mode } from './fault-kinds.ts'
import { type Identity, type SignedHeaders, signedHeaders, type Wanted } from './traffic.ts'

const STALE_S = 7_200

/** Only the sidecar takes a key by this name. */
function underAnotherName({ headers, signature }: SignedHeaders): SignedHeaders {
  const { 'Idempotency-Key': key = '', ...others } = headers
  return { headers: { ...others, 'X-Idempotency-Key': key }, signature }
}

/** As a client signs it that does not have the secret, or signed something else; `roll`, 0 to less than 1, says how. */
export function forgedHeaders(
  mode: Mode,
  identity: Identity,
  asked: Wanted,
  key: string,
  roll: number,
): SignedHeaders {
  const wrong = { ...identity, secret: `${identity.secret}x` }
  // An API key covers nothing, so that only another key is a forged one.
  const owner = identity.bearer ? wrong : identity
  const ways: (() => SignedHeaders)[] = [
    () => signedHeaders(wrong, asked, key),
    () => signedHeaders({ ...wrong, name: 'nobody' }, asked, key),
    () => signedHeaders(owner, asked, key, { body: `${asked.body} ` }),
    () => signedHeaders(owner, asked, key, { skewS: -STALE_S }),
    () => signedHeaders({ ...wrong, bearer: true }, asked, key),
    // Genuine signatures, of a request without a key and of one with another key.
    () => signedHeaders(owner, asked, key, { key: '' }),
    () => signedHeaders(owner, asked, key, { key: `${key}-other` }),
    ...(mode === 'proxy' ? [() => underAnotherName(signedHeaders(owner, asked, key, { key: '' }))] : []),
  ]
  const { headers } = (ways[Math.floor(roll * ways.length)] ?? (() => signedHeaders(wrong, asked, key)))()
  return { headers, signature: '' }
}
