import { readFileSync } from 'node:fs'
import { type Client, type ClientRegistry, DEFAULT_CLIENT, lasting, toSecret } from './client-registry.ts'
import { parseClients } from './parse-clients.ts'
import { watchContent } from './watch-content.ts'

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
  const rules = {
    taken: [...fixed.keys()],
    refusedSecrets,
    minSecretBytes,
    ...(checkLimits === undefined ? {} : { checkLimits }),
  }
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
