import { type Secret, toSecret } from './client-registry.ts'
import type { SealedSecret } from './client-table.ts'
import { open, type SealKey } from './seal.ts'

/** The keys that open sealed secrets: SECRETS_KEY, which also seals new ones, then SECRETS_KEY_OLD. May be empty. */
export type Keyring = readonly SealKey[]

/** The secret, or an Error that names the row. See `keyFault` for a key that is missing in the keyring. */
export function openSecret(row: SealedSecret, keyring: Keyring): Secret | Error {
  const key = keyFor(row, keyring)
  try {
    if (key === undefined) throw new Error('its key is not in the keyring')
    return toSecret(open(row.sealed.bytes, row, key).toString('utf8'))
  } catch (cause) {
    const text = `secret ${row.secretId} of client ${row.client} cannot be opened: its row was changed, or copied from another row`
    return new Error(text, { cause })
  }
}

export function keyFor(row: SealedSecret, keyring: Keyring): SealKey | undefined {
  return keyring.find(({ id }) => id === row.sealed.keyId)
}

/** An Error for the operator if secrets are sealed under a key that is not in the keyring. */
export function keyFault(rows: readonly SealedSecret[], keyring: Keyring): Error | undefined {
  const unopenable = rows.filter((row) => keyFor(row, keyring) === undefined)
  if (unopenable.length === 0) return undefined
  const needed = [...new Set(unopenable.map((row) => row.sealed.keyId))].sort().join(', ')
  if (keyring.length === 0) {
    return new Error(
      `SECRETS_KEY is not set: the database holds ${unopenable.length} secrets of clients, sealed under key ${needed}`,
    )
  }
  const have = keyring.map(({ id }) => id).join(', SECRETS_KEY_OLD is key ')
  return new Error(
    `SECRETS_KEY is not the key of ${unopenable.length} secrets of clients in the database: ` +
      `it is key ${have}; they were sealed under key ${needed}`,
  )
}
