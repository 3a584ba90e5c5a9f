import { toError } from '../core/to-error.ts'
import { coalesce } from '../database/coalesce.ts'
import type { Database } from '../database/database.ts'
import { type ClientChange, changesBetween, type StoredClient } from './client-changes.ts'
import type { ClientRegistry, Secret } from './client-registry.ts'
import { readClients, type SealedSecret } from './client-table.ts'
import { type Keyring, keyFault, keyFor, openSecret } from './keyring.ts'

export interface TableRegistryOptions {
  database: Database
  keyring: Keyring
  /** Milliseconds of a monotonic clock, such as performance.now(). */
  now: () => number
  /**
   * Calls `wake` when the table has changed or a notification may have been lost. Without it, changes are found by
   * polling.
   */
  listen?: ((wake: () => void) => { close(): Promise<void> }) | undefined
  pollMs?: number
  /** The minimum time between two refreshes, for any number of signatures that match no secret. */
  gapMs?: number
  /** Called with added, changed and revoked clients; not for the first read. */
  onChange?: (changes: readonly ClientChange[]) => void
  /** Called when the table cannot be read (once for each outage) or a secret cannot be opened. */
  onTrouble?: (error: Error) => void
}

export interface TableRegistry extends Required<ClientRegistry> {
  /** The clients that had a secret at the last refresh, which may have ended since. */
  ids(): string[]
  close(): Promise<void>
}

/** The longest delay of a revocation whose notification was lost, while the database responds. */
const POLL_MS = 30_000
/** Limits refreshes to 50 small queries a second when many signatures match no secret. The first does not wait. */
const GAP_MS = 20
/** After a failed refresh, `catchUp` does not query the database for this time. */
const PAUSE_AFTER_FAILURE_MS = 1_000

interface OpenSecret {
  sealed: Buffer
  key: Secret
}

/**
 * Keeps the clients of the table in memory. Throws at the start if the table cannot be read or a seal key is missing.
 * While the database is unreachable, the clients stay as last read; retiring secrets still end at their time.
 */
export async function openTableRegistry(options: TableRegistryOptions): Promise<TableRegistry> {
  const { database, keyring, now, pollMs = POLL_MS, gapMs = GAP_MS } = options
  const report = (error: unknown) => options.onTrouble?.(toError(error))
  let clients: ReadonlyMap<string, StoredClient> = new Map()
  let opened: ReadonlyMap<string, OpenSecret> = new Map()
  let version = ''
  /** The clock of the database minus `now()`. */
  let clockOffsetMs = 0
  let isUnreachable = false
  let closed = false
  let pausedUntilMs = 0

  /** Reuses a secret that is already open, also when it was sealed again under a key that is not yet known here. */
  function openOne(row: SealedSecret): OpenSecret | undefined {
    const known = opened.get(rowKey(row))
    if (known?.sealed.equals(row.sealed.bytes)) return known
    if (keyFor(row, keyring) === undefined) return known
    const key = openSecret(row, keyring)
    if (!(key instanceof Error)) return { sealed: row.sealed.bytes, key }
    report(key)
    return undefined
  }

  function applyRows(rows: readonly SealedSecret[]): void {
    const fault = keyFault(rows, keyring)
    if (fault !== undefined && version === '') throw fault
    if (fault !== undefined) report(fault)
    const nextOpened = new Map<string, OpenSecret>()
    const next = new Map<string, StoredClient>()
    for (const row of rows) {
      const secret = openOne(row)
      if (secret === undefined) continue
      nextOpened.set(rowKey(row), secret)
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

  const refresh = coalesce(async () => {
    const read = await readClients(database, version)
    clockOffsetMs = read.databaseMs - now()
    if (read.secrets !== undefined) applyRows(read.secrets)
    version = read.version
    isUnreachable = false
  }, gapMs)

  async function tryRefresh(): Promise<void> {
    try {
      await refresh()
    } catch (error) {
      pausedUntilMs = now() + PAUSE_AFTER_FAILURE_MS
      if (!isUnreachable && !closed) report(error)
      isUnreachable = true
    }
  }

  await refresh()
  const listener = options.listen?.(() => void tryRefresh())
  const timer = setInterval(() => void tryRefresh(), pollMs).unref()
  return {
    find(id) {
      const client = clients.get(id)
      if (client === undefined || client.secrets.every((one) => one.expiresAtMs === undefined)) return client
      const databaseMs = now() + clockOffsetMs
      const secrets = client.secrets.filter(({ expiresAtMs = Infinity }) => expiresAtMs > databaseMs)
      return secrets.length === 0 ? undefined : { ...client, secrets }
    },
    async catchUp() {
      if (now() < pausedUntilMs) return false
      const before = version
      await tryRefresh()
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

function rowKey({ client, secretId }: SealedSecret): string {
  return `${client} ${secretId}`
}
