import { createHash, createSecretKey, randomBytes } from 'node:crypto'
import type { Sealing, SecretPlace } from '../../internal/events/webhook-secret.ts'
import { open, type SealKey, seal } from '../../internal/signature/seal.ts'
import { type Config, keyringOf } from '../config/config.ts'
import { isDemo } from '../config/demo.ts'

type SealingConfig = Pick<Config, 'secretsKey' | 'secretsKeyOld' | 'production' | 'host'>

/** Seals like the secrets of clients. Demo mode has a key of its own. */
export function webhookSealing(config: SealingConfig): Sealing {
  const keyring: readonly SealKey[] = isDemo(config) ? [...keyringOf(config), DEMO_KEY] : keyringOf(config)
  const [first] = keyring
  return {
    keyId: first?.id,
    seal(secret, place) {
      if (first === undefined) throw new Error('SECRETS_KEY is not set')
      return seal(secret, sealedPlace(place), first, randomBytes(12))
    },
    open({ bytes, keyId }, place) {
      const key = keyring.find(({ id }) => id === keyId)
      if (key === undefined)
        throw new Error(
          `the secret of endpoint ${place.endpoint} is sealed under key ${keyId}, which is not set`,
        )
      return open(bytes, sealedPlace(place), key).toString('utf8')
    },
  }
}

const DEMO_BYTES = createHash('sha256').update('oncekey demo mode').digest()
const DEMO_KEY: SealKey = { id: 'demo000000000000', key: createSecretKey(DEMO_BYTES) }

/** Ids of secrets of clients have no colon. */
const sealedPlace = ({ client, endpoint, secretId }: SecretPlace) => ({
  client,
  secretId: `webhook:${endpoint}:${secretId}`,
})
