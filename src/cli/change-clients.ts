import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ChangeNote } from '../../internal/core/change-note.ts'
import { ServiceError } from '../../internal/core/service-error.ts'
import type { Database } from '../../internal/database/database.ts'
import { MAX_SECRETS, type Scheme } from '../../internal/signature/client-registry.ts'
import {
  addClient,
  limitClient,
  type NewSecret,
  readClients,
  revokeClient,
  rotateClient,
} from '../../internal/signature/client-table.ts'
import { keyFault } from '../../internal/signature/keyring.ts'
import { listClients } from '../../internal/signature/list-clients.ts'
import { resealSecrets } from '../../internal/signature/reseal.ts'
import { type SealKey, seal } from '../../internal/signature/seal.ts'
import { type ConfigOf, keyringOf } from '../config/config.ts'
import { openSettingsClients } from '../runtime/open-clients.ts'
import { describeCause } from '../runtime/underlying-cause.ts'
import type { Shown } from './run-verb.ts'

type Config = ConfigOf<'clients'>

export interface Setting {
  config: Config
  note: ChangeNote
  warn: (text: string) => void
}

/** For secret scanners; the rest is 32 random bytes. */
const SECRET_PREFIX = 'oks_'

export async function addOne(
  database: Database,
  { config, note }: Setting,
  client: string,
  minScheme: Scheme | undefined,
): Promise<Shown> {
  if (isInSettings(config, client))
    throw new Error(`client ${client} is defined by HMAC_SECRET or CLIENTS_FILE, which would stay in force`)
  const { secret, stored } = generate(client, await sealingKey(database, config))
  const outcome = await persistently(() => addClient(database, stored, minScheme, note))
  if (outcome === 'exists') {
    throw new Error(
      `there is a client ${client} already; "oncekey clients rotate ${client}" gives it a new secret`,
    )
  }
  const { secretId } = stored
  return {
    text: newSecretText(client, secret, secretId),
    json: { client, min_scheme: minScheme ?? null, secret_id: secretId, secret },
  }
}

export async function rotateOne(
  database: Database,
  { config, note }: Setting,
  client: string,
  overlapMs: number,
): Promise<Shown> {
  const { secret, stored } = generate(client, await sealingKey(database, config))
  const outcome = await persistently(() => rotateClient(database, stored, overlapMs, note))
  if (outcome === 'unknown_client') throw unknownClient(config, client)
  if (outcome === 'full') {
    throw new Error(
      `client ${client} has ${MAX_SECRETS} secrets in force, the most there can be: end one with ` +
        `"oncekey clients revoke ${client} --secret ID" (see list), or all with --overlap 0s`,
    )
  }
  const [listed] = await listClients(database, client)
  const retiring = (listed?.secrets ?? [])
    .filter(({ state }) => state === 'retiring')
    .map(({ secret_id, expires_at }) => ({ secret_id, expires_at }))
  const { secretId } = stored
  return {
    text:
      newSecretText(client, secret, secretId) +
      retiring.map((old) => `retiring   ${old.secret_id}, works until ${old.expires_at}\n`).join(''),
    json: { client, secret_id: secretId, secret, retiring },
  }
}

export async function revokeOne(
  database: Database,
  { config, note, warn }: Setting,
  client: string,
  secretId: string | undefined,
): Promise<Shown> {
  const outcome = await persistently(() => revokeClient(database, client, secretId, note))
  if (outcome === 'unknown_client') throw unknownClient(config, client)
  if (outcome === 'unknown_secret')
    throw new Error(`--secret ${secretId}: client ${client} has no such secret`)
  if (isInSettings(config, client))
    warn(`client ${client} is also defined by HMAC_SECRET or CLIENTS_FILE, which stays in force`)
  const [listed] = await listClients(database, client)
  const left = (listed?.secrets ?? [])
    .filter(({ state }) => state !== 'revoked')
    .map(({ secret_id }) => secret_id)
  return {
    text: `revoked ${secretId ?? 'all secrets'} of ${client}; ${left.length === 0 ? 'none is' : `${left.join(', ')}`} left\n`,
    json: { client, revoked: secretId ?? 'all', left },
  }
}

/** `limits` undefined: the common limits. */
export async function limitOne(
  database: Database,
  { config, note }: Setting,
  client: string,
  limits: string | undefined,
): Promise<Shown> {
  const outcome = await persistently(() => limitClient(database, client, limits, note))
  if (outcome === 'unknown_client') throw unknownClient(config, client)
  const text = limits === undefined ? 'the common limits' : `its own limits: ${limits}`
  return { text: `${client} has ${text}\n`, json: { client, limits: limits ?? null } }
}

export async function resealAll(database: Database, { config, note }: Setting): Promise<Shown> {
  const key = firstKey(config)
  const resealed = await resealSecrets(database, keyringOf(config), () => randomBytes(12), note)
  return { text: `resealed ${resealed} secrets under key ${key.id}\n`, json: { resealed, key_id: key.id } }
}

function generate(client: string, key: SealKey): { secret: string; stored: NewSecret } {
  const secret = SECRET_PREFIX + randomBytes(32).toString('base64url')
  const secretId = randomBytes(6).toString('hex')
  return {
    secret,
    stored: { client, secretId, sealed: seal(secret, { client, secretId }, key, randomBytes(12)) },
  }
}

/** Throws if the existing secrets have another key: the services could not open what this one seals. */
async function sealingKey(database: Database, config: Config): Promise<SealKey> {
  const key = firstKey(config)
  const { secrets = [] } = await readClients(database, '')
  const fault = keyFault(secrets, keyringOf(config))
  if (fault !== undefined) throw fault
  return key
}

function firstKey(config: Config): SealKey {
  const [key] = keyringOf(config)
  if (key !== undefined) return key
  throw new Error(
    'SECRETS_KEY is not set: make one with "openssl rand -base64 32" and give it to the service too',
  )
}

function newSecretText(client: string, secret: string, secretId: string): string {
  return `client     ${client}\nsecret     ${secret}\nsecret id  ${secretId}\nThe secret is shown this once.\n`
}

function isInSettings(config: Config, client: string): boolean {
  const settings = openSettingsClients(config, () => {})
  settings.close()
  return settings.find(client) !== undefined
}

function unknownClient(config: Config, client: string): Error {
  return new Error(
    isInSettings(config, client)
      ? `client ${client} is not in the database but in HMAC_SECRET or CLIENTS_FILE: change it there`
      : `there is no client ${client}`,
  )
}

const TRIES = 4
const PAUSE_MS = 500

/** Each change may be repeated: a change that was done and whose response was lost returns the same. */
async function persistently<T>(ask: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error
      if (tries === TRIES) {
        throw new Error(
          `the database does not respond (${describeCause(error)}); "oncekey clients list" shows what was done`,
        )
      }
      await sleep(PAUSE_MS)
    }
  }
}
