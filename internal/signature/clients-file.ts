import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { checkNumber, checkText, MAX_TIMER_MS } from '../core/check-option.ts'
import { toError } from '../core/to-error.ts'
import {
  type Client,
  type ClientRegistry,
  DEFAULT_CLIENT,
  permanentSecret,
  toSecret,
} from './client-registry.ts'
import { parseClients } from './parse-clients.ts'

/** A change of the file is in force about a second later. */
const POLL_MS = 1_000

export interface ClientsFileOptions {
  /** `CLIENTS_FILE`. */
  file?: string | undefined
  /** `HMAC_SECRET`: the secret of client `default`. */
  defaultSecret?: string | undefined
  /** Secrets that the file must not contain, such as published ones; checked at the start and on each reload. */
  refusedSecrets?: readonly string[]
  /** The minimum length of each secret of the file; 1 by default. */
  minSecretBytes?: number
  /** Throws an Error with the reason if the rate limits of a client cannot be parsed. */
  checkLimits?: (text: string) => void
  pollMs?: number
  /**
   * Called after each change of the file: the number of clients in force, or the Error because of which the old ones
   * stay.
   */
  onReload?: (result: { clients: number } | Error) => void
}

export interface ClientsFile extends ClientRegistry {
  /** Whether a client has this secret now. */
  usesSecret(text: string): boolean
  /** Stops polling the file; the clients stay. */
  close(): void
}

/**
 * Opens a registry with the client of `HMAC_SECRET` and the clients of a file. The file is re-read when it changes; a
 * reload replaces all its clients in one step.
 *
 * @throws Error if the file is missing or invalid at the start. Later a missing or invalid file changes no client and is
 *   reported to `onReload`.
 * @example const registry = openClientsFile({ file: 'clients.json' })
 */
export function openClientsFile(options: ClientsFileOptions): ClientsFile {
  const { file, defaultSecret, refusedSecrets = [], minSecretBytes = 1, pollMs = POLL_MS } = options
  const { checkLimits, onReload } = options
  const fixed = new Map<string, Client>()
  if (defaultSecret !== undefined) checkText('defaultSecret', defaultSecret)
  checkNumber('pollMs', pollMs, 1, MAX_TIMER_MS)
  if (defaultSecret !== undefined)
    fixed.set(DEFAULT_CLIENT, {
      id: DEFAULT_CLIENT,
      secrets: [permanentSecret(defaultSecret)],
      minScheme: undefined,
    })
  const rules = { taken: [...fixed.keys()], refusedSecrets, minSecretBytes, checkLimits }
  let clients = fixed
  let stop = () => {}
  if (file !== undefined) {
    const load = (bytes: Buffer) => {
      clients = new Map([...fixed, ...parseClients(bytes, file, rules)])
    }
    const bytes = readFileSync(file)
    load(bytes)
    stop = watchContent(file, bytes, pollMs, (content) => {
      try {
        if (content instanceof Error) throw content
        load(content)
      } catch (error) {
        onReload?.(toError(error))
        return
      }
      onReload?.({ clients: clients.size })
    })
  }
  return {
    find: (client) => clients.get(client),
    usesSecret(text) {
      const secret = toSecret(text)
      return [...clients.values()].some((client) => client.secrets.some((own) => own.key.equals(secret)))
    },
    close: () => stop(),
  }
}

/**
 * Polls `path` and calls `onChange` once for each change, with the content or with the Error of reading it. Compares
 * content instead of inodes and times, so that it sees atomic renames, swapped symlinks (Kubernetes) and two writes
 * within one tick of the file system's clock. Does not keep the process alive. Returns a function that stops the
 * polling; after it `onChange` is not called again.
 *
 * @param known the content that the caller has already read
 */
function watchContent(
  path: string,
  known: Buffer,
  pollMs: number,
  onChange: (content: Buffer | Error) => void,
): () => void {
  let seen = digest(known)
  let reading = false
  let stopped = false
  async function poll(): Promise<void> {
    // At most one read is in flight, also when the file system hangs.
    if (reading) return
    reading = true
    const content = await readFile(path).catch(toError)
    reading = false
    const current = content instanceof Error ? content.message : digest(content)
    if (stopped || current === seen) return
    seen = current
    onChange(content)
  }
  const timer = setInterval(() => void poll(), pollMs).unref()
  return () => {
    stopped = true
    clearInterval(timer)
  }
}

/** Kept instead of the content, which holds secrets. */
function digest(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}
