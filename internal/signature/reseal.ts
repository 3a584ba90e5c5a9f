import type { ChangeNote } from '../core/change-note.ts'
import type { Database } from '../database/database.ts'
import { readClients, replaceSeals } from './client-table.ts'
import { type Keyring, keyFault, openSecret } from './keyring.ts'
import { seal } from './seal.ts'

/** A rotation during resealing needs another round. Operators rotate seconds apart, so five rounds are enough. */
const MAX_ROUNDS = 5

/**
 * Seals every secret under the first key of the keyring that is not sealed under it yet. Returns how many it sealed.
 * Works in rounds of one statement each. Throws if a secret cannot be opened; that round changes nothing.
 * @param nonce 12 fresh random bytes at each call
 */
export async function resealSecrets(
  database: Database,
  keyring: Keyring,
  nonce: () => Buffer,
  note: ChangeNote,
): Promise<number> {
  const [key] = keyring
  if (key === undefined) throw new Error('there is no key to seal with')
  let resealed = 0
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const { secrets = [] } = await readClients(database, '')
    const fault = keyFault(secrets, keyring)
    if (fault !== undefined) throw fault
    const old = secrets.filter((row) => row.sealed.keyId !== key.id)
    if (old.length === 0) return resealed
    const replaced = old.map((row) => {
      const secret = openSecret(row, keyring)
      if (secret instanceof Error) throw secret
      const text = secret.export().toString('utf8')
      return { ...row, before: row.sealed.bytes, after: seal(text, row, key, nonce()) }
    })
    resealed += await replaceSeals(database, replaced, note)
  }
  throw new Error('secrets kept changing while they were sealed again: try again')
}
