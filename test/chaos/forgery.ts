import { type Identity, type SignedHeaders, signedHeaders, type Wanted } from './traffic.ts'

const STALE_S = 7_200

/** As somebody signs it who does not have the secret, or signed something else; `roll`, 0 to less than 1, says how. */
export function forgedHeaders(identity: Identity, asked: Wanted, key: string, roll: number): SignedHeaders {
  const wrong = { ...identity, secret: `${identity.secret}x` }
  // An API key covers nothing, so that only another key is a forged one.
  const owner = identity.bearer ? wrong : identity
  const ways: (() => SignedHeaders)[] = [
    () => signedHeaders(wrong, asked, key),
    () => signedHeaders({ ...wrong, name: 'nobody' }, asked, key),
    () => signedHeaders(owner, asked, key, { body: `${asked.body} ` }),
    () => signedHeaders(owner, asked, key, { skewS: -STALE_S }),
    () => signedHeaders({ ...wrong, bearer: true }, asked, key),
  ]
  const { headers } = (ways[Math.floor(roll * ways.length)] ?? (() => signedHeaders(wrong, asked, key)))()
  return { headers, signature: '' }
}
