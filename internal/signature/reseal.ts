import type { ChangeNote } from '../core/change-note.ts'
import type { Database } from '../database/database.ts'
import { readClients, replaceSeals } from './client-table.ts'
import { type Keyring, keyFault, openSecret } from './keyring.ts'
import { seal } from './seal.ts'

/** Rotations that come in between are picked up by another turn; they are made by people, seconds apart. */
const TURNS = 5

/**
 * Seals every secret that is not under the first key of the keyring under that one, in one statement. Returns how many.
 * Throws, and changes nothing, if one cannot be opened.
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
  for (let turn = 0; turn < TURNS; turn++) {
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
  throw new Error('secrets are being changed all the time: try again')
}
