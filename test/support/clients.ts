import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Database, openDatabase } from '../../internal/database/database.ts'
import { openEmbedded } from '../../internal/database/embedded.ts'
import { migrate } from '../../internal/database/migrate.ts'
import { addClient, type NewSecret, rotateClient } from '../../internal/signature/client-table.ts'
import { parseSealKey, type SealKey, seal } from '../../internal/signature/seal.ts'
import { SQL_DIRECTORY } from '../../src/package-root.ts'
import { createDatabase } from './servers.ts'

/** A change of clients, as an operator makes it. */
export const changeNote = () => ({ id: randomUUID(), by: 'jane', reason: 'a test' })

export function newKey(): { text: string; key: SealKey } {
  const text = randomBytes(32).toString('base64')
  return { text, key: parseSealKey(text) }
}

/** A secret with an id of its own, sealed for its place. */
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

type Kind = 'server' | 'embedded'
/** Where the contracts of the tables are tried. */
export const KINDS: readonly Kind[] =
  process.env.TEST_ON_SERVER_ONLY === undefined ? ['server', 'embedded'] : ['server']

export interface OpenedDatabase {
  database: Database
  /** undefined: the embedded one. */
  url: string | undefined
  close(): Promise<void>
}

/** An empty database with the schema, on the shared server or embedded. */
export async function openMigrated(kind: Kind): Promise<OpenedDatabase> {
  const opened = kind === 'server' ? await openOnServer() : await openInDirectory()
  await migrate(opened.database, SQL_DIRECTORY)
  return opened
}

async function openOnServer(): Promise<OpenedDatabase> {
  const { url, drop } = await createDatabase()
  const database = openDatabase(url)
  return {
    database,
    url,
    async close() {
      await database.close()
      await drop()
    },
  }
}

async function openInDirectory(): Promise<OpenedDatabase> {
  const directory = mkdtempSync(join(tmpdir(), 'oncekey-clients-'))
  const database = await openEmbedded(directory)
  return {
    database,
    url: undefined,
    async close() {
      await database.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
