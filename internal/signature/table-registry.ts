import type { Database } from '../database/database.ts'
import { shareNext } from '../database/share-next.ts'
import { type ClientChange, changesBetween, type StoredClient } from './client-changes.ts'
import type { ClientRegistry, Secret } from './client-registry.ts'
import { readClients, type SealedSecret } from './client-table.ts'
import { type Keyring, keyFault, keyFor, openSecret } from './keyring.ts'

export interface TableRegistryOptions {
  database: Database
  keyring: Keyring
  /** Milliseconds of a clock that is never set, such as performance.now(). */
  now: () => number
  /** Calls `wake` when the table has changed, or may have changed unseen. Without it only looking tells. */
  listen?: ((wake: () => void) => { close(): Promise<void> }) | undefined
  pollMs?: number
  /** One look in this time at the most, however many signatures match nothing. */
  gapMs?: number
  /** Which clients came, changed or went; not called for the first reading. */
  onChange?: (changes: readonly ClientChange[]) => void
  /** For the operator: the table cannot be read (told once an outage), secrets cannot be opened. */
  onTrouble?: (error: Error) => void
}

export interface TableRegistry extends Required<ClientRegistry> {
  /** All clients that have, or had until a moment ago, a secret in force. */
  ids(): string[]
  close(): Promise<void>
}

/** A revocation whose notification was lost is in force this much later, if the database responds. */
const POLL_MS = 30_000
/** A flood of signatures that match nothing costs the database 50 small queries a second; one alone does not wait. */
const GAP_MS = 20
/** While the database is away, signatures that match nothing are refused without asking it each time. */
const BLIND_MS = 1_000

interface OpenSecret {
  sealed: Buffer
  key: Secret
}

/**
 * The clients of the table, in memory. Throws at the start if the table cannot be read or its key is missing. While the
 * database is away the clients stay as last read, and retiring secrets end in time.
 */
export async function openTableRegistry(options: TableRegistryOptions): Promise<TableRegistry> {
  const { database, keyring, now, pollMs = POLL_MS, gapMs = GAP_MS } = options
  const trouble = (error: unknown) =>
    options.onTrouble?.(error instanceof Error ? error : new Error(String(error)))
  let clients: ReadonlyMap<string, StoredClient> = new Map()
  let opened: ReadonlyMap<string, OpenSecret> = new Map()
  let version = ''
  /** The clock of the database minus ours. */
  let aheadMs = 0
  let away = false
  let closed = false
  let blindUntilMs = 0

  /** What was opened before need not be opened again, nor can it if it was sealed anew under a key not yet known here. */
  function openOne(row: SealedSecret): OpenSecret | undefined {
    const known = opened.get(placeOf(row))
    if (known?.sealed.equals(row.sealed.bytes)) return known
    if (keyFor(row, keyring) === undefined) return known
    const key = openSecret(row, keyring)
    if (!(key instanceof Error)) return { sealed: row.sealed.bytes, key }
    trouble(key)
    return undefined
  }

  function takeOver(rows: readonly SealedSecret[]): void {
    const fault = keyFault(rows, keyring)
    if (fault !== undefined && version === '') throw fault
    if (fault !== undefined) trouble(fault)
    const nextOpened = new Map<string, OpenSecret>()
    const next = new Map<string, StoredClient>()
    for (const row of rows) {
      const secret = openOne(row)
      if (secret === undefined) continue
      nextOpened.set(placeOf(row), secret)
      const others = next.get(row.client)?.secrets ?? []
      const own = { id: row.secretId, key: secret.key, expiresAtMs: row.expiresAtMs }
      const { client: id, minScheme, limits } = row
      next.set(id, { id, secrets: [...others, own], minScheme, limits })
    }
    const changes = version === '' ? [] : changesBetween(clients, next)
    clients = next
    opened = nextOpened
    if (changes.length > 0) options.onChange?.(changes)
  }

  const refresh = shareNext(async () => {
    const read = await readClients(database, version)
    aheadMs = read.databaseMs - now()
    if (read.secrets !== undefined) takeOver(read.secrets)
    version = read.version
    away = false
  }, gapMs)

  async function look(): Promise<void> {
    try {
      await refresh()
    } catch (error) {
      blindUntilMs = now() + BLIND_MS
      if (!away && !closed) trouble(error)
      away = true
    }
  }

  await refresh()
  const listener = options.listen?.(() => void look())
  const timer = setInterval(() => void look(), pollMs).unref()
  return {
    find(id) {
      const client = clients.get(id)
      if (client === undefined || client.secrets.every((one) => one.expiresAtMs === undefined)) return client
      const databaseMs = now() + aheadMs
      const secrets = client.secrets.filter(({ expiresAtMs = Infinity }) => expiresAtMs > databaseMs)
      return secrets.length === 0 ? undefined : { ...client, secrets }
    },
    async catchUp() {
      if (now() < blindUntilMs) return false
      const before = version
      await look()
      return version !== before
    },
    ids: () => [...clients.keys()],
    async close() {
      closed = true
      clearInterval(timer)
      await listener?.close()
    },
  }
}

function placeOf({ client, secretId }: SealedSecret): string {
  return `${client} ${secretId}`
}
