import { type Secret, toSecret } from './client-registry.ts'
import type { SealedSecret } from './client-table.ts'
import { open, type SealKey } from './seal.ts'

/** The keys that open sealed secrets: SECRETS_KEY first, which seals new ones, then SECRETS_KEY_OLD. Empty: none. */
export type Keyring = readonly SealKey[]

/** The secret, or an Error that names the row. The keyring must hold its key, see `keyFault`. */
export function openSecret(row: SealedSecret, keyring: Keyring): Secret | Error {
  const key = keyFor(row, keyring)
  try {
    if (key === undefined) throw new Error('its key is not in the keyring')
    return toSecret(open(row.sealed.bytes, row, key).toString('utf8'))
  } catch (cause) {
    const text = `secret ${row.secretId} of client ${row.client} does not open: its row was changed, or is another's`
    return new Error(text, { cause })
  }
}

export function keyFor(row: SealedSecret, keyring: Keyring): SealKey | undefined {
  return keyring.find(({ id }) => id === row.sealed.keyId)
}

/** What an operator must know if some secrets were sealed under a key that is not in the keyring. */
export function keyFault(rows: readonly SealedSecret[], keyring: Keyring): Error | undefined {
  const strange = rows.filter((row) => keyFor(row, keyring) === undefined)
  if (strange.length === 0) return undefined
  const needed = [...new Set(strange.map((row) => row.sealed.keyId))].sort().join(', ')
  if (keyring.length === 0) {
    return new Error(
      `SECRETS_KEY is not set: the database holds ${strange.length} secrets of clients, sealed under key ${needed}`,
    )
  }
  const have = keyring.map(({ id }) => id).join(', SECRETS_KEY_OLD is key ')
  return new Error(
    `SECRETS_KEY is not the key of ${strange.length} secrets of clients in the database: ` +
      `it is key ${have}; they were sealed under key ${needed}`,
  )
}
