import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { type Client, type ClientRegistry, DEFAULT_CLIENT, lasting, toSecret } from './client-registry.ts'
import { parseClients } from './parse-clients.ts'

/** A partner added or revoked is in force about a second later. */
const POLL_MS = 1_000

export interface ClientsFileOptions {
  /** `CLIENTS_FILE`. */
  file?: string | undefined
  /** `HMAC_SECRET`, the secret of client `default`. */
  defaultSecret?: string | undefined
  /** Secrets that the file must not bring in, now or on a reload: the published ones, where others can connect. */
  refusedSecrets?: readonly string[]
  /** For each secret of the file; left out: 1. */
  minSecretBytes?: number
  /** Throws for rate limits of a client that cannot be read, with the reason. */
  checkLimits?: (text: string) => void
  pollMs?: number
  /** After each change of the file: the number of clients now in force, or why the old ones stay. */
  onReload?: (result: { clients: number } | Error) => void
}

export interface ClientsFile extends ClientRegistry {
  /** Whether any client has this secret at the moment. */
  usesSecret(text: string): boolean
  /** Stops looking for changes; the clients stay. */
  close(): void
}

/**
 * The clients of the settings and of a file that is re-read when it changes. A reload replaces all clients in one
 * step.
 *
 * @throws If the file is bad at the start; later a bad or missing file leaves all clients as they were.
 * @example const registry = openClientsFile({ file: 'clients.json' })
 */
export function openClientsFile(options: ClientsFileOptions): ClientsFile {
  const { file, defaultSecret, refusedSecrets = [], minSecretBytes = 1, pollMs = POLL_MS } = options
  const { checkLimits, onReload } = options
  const fixed = new Map<string, Client>()
  if (defaultSecret !== undefined)
    fixed.set(DEFAULT_CLIENT, { id: DEFAULT_CLIENT, secrets: [lasting(defaultSecret)], minScheme: undefined })
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
        onReload?.(error instanceof Error ? error : new Error(String(error)))
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
 * Calls `onChange` once for each change of what can be read at `path`: with the content, or with the Error of reading
 * it. It reads and compares, and does not watch inodes or times: that sees atomic renames, swapped symlinks
 * (Kubernetes) and two writes within one tick of the file system's clock. Never keeps the process alive. Returns
 * a function that stops it, after which `onChange` is not called again.
 *
 * @param known the content that the caller has already dealt with
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
  async function look(): Promise<void> {
    // A file system that hangs must not pile up reads.
    if (reading) return
    reading = true
    const content = await readFile(path).catch(toError)
    reading = false
    const current = content instanceof Error ? content.message : digest(content)
    if (stopped || current === seen) return
    seen = current
    onChange(content)
  }
  const timer = setInterval(() => void look(), pollMs).unref()
  return () => {
    stopped = true
    clearInterval(timer)
  }
}

function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}

/** Kept in place of the content, which holds secrets. */
function digest(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}
