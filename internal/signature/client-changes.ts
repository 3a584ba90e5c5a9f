import type { Client, ClientSecret, Scheme } from './client-registry.ts'

export interface StoredClient extends Client {
  /** With the secret ids that `oncekey clients list` shows. */
  readonly secrets: readonly (ClientSecret & { readonly id: string })[]
}

/** A log record of what changed for one client. It has ids of secrets, never secrets. */
export interface ClientChange {
  client: string
  change: 'added' | 'changed' | 'revoked'
  min_scheme: Scheme | null
  limits: string | null
  secrets_added: string[]
  secrets_retiring: string[]
  secrets_gone: string[]
}

type Clients = ReadonlyMap<string, StoredClient>

export function changesBetween(before: Clients, after: Clients): ClientChange[] {
  const changes: ClientChange[] = []
  for (const id of new Set([...before.keys(), ...after.keys()])) {
    const [old, current] = [before.get(id), after.get(id)]
    const [oldEnds, ends] = [endsOf(old), endsOf(current)]
    const change: ClientChange = {
      client: id,
      change: old === undefined ? 'added' : current === undefined ? 'revoked' : 'changed',
      min_scheme: current?.minScheme ?? null,
      limits: current?.limits ?? null,
      secrets_added: [...ends.keys()].filter((secret) => !oldEnds.has(secret)),
      secrets_retiring: [...ends].flatMap(([secret, end]) =>
        oldEnds.has(secret) && oldEnds.get(secret) !== end ? [secret] : [],
      ),
      secrets_gone: [...oldEnds.keys()].filter((secret) => !ends.has(secret)),
    }
    const { secrets_added, secrets_retiring, secrets_gone } = change
    const same =
      old?.minScheme === current?.minScheme &&
      old?.limits === current?.limits &&
      secrets_added.length + secrets_retiring.length + secrets_gone.length === 0
    if (!same) changes.push(change)
  }
  return changes
}

function endsOf(client: StoredClient | undefined): Map<string, number | undefined> {
  return new Map(client?.secrets.map(({ id, expiresAtMs }) => [id, expiresAtMs]))
}
