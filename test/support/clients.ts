import { randomBytes, randomUUID } from 'node:crypto'
import type { Database } from '../../internal/database/database.ts'
import { addClient, type NewSecret, rotateClient } from '../../internal/signature/client-table.ts'
import { parseSealKey, type SealKey, seal } from '../../internal/signature/seal.ts'

/** The note of a change by an operator. */
export const changeNote = () => ({ id: randomUUID(), by: 'jane', reason: 'a test' })

export function newKey(): { text: string; key: SealKey } {
  const text = randomBytes(32).toString('base64')
  return { text, key: parseSealKey(text) }
}

/** A sealed secret with a new id. */
export function newSecret(client: string, key: SealKey, secret = `secret ${randomBytes(8).toString('hex')}`) {
  const secretId = randomBytes(6).toString('hex')
  const stored: NewSecret = {
    client,
    secretId,
    sealed: seal(secret, { client, secretId }, key, randomBytes(12)),
  }
  return { secret, secretId, stored }
}

/** Returns the new secret. */
export async function add(database: Database, client: string, key: SealKey) {
  const made = newSecret(client, key)
  if ((await addClient(database, made.stored, undefined, changeNote())) !== 'added')
    throw new Error(`${client} exists`)
  return made
}

export async function rotate(database: Database, client: string, key: SealKey, overlapMs: number) {
  const made = newSecret(client, key)
  const outcome = await rotateClient(database, made.stored, overlapMs, changeNote())
  if (outcome !== 'rotated') throw new Error(`${client}: ${outcome}`)
  return made
}
