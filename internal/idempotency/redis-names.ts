import { boundedScope, type KeyId } from './store.ts'

/** The names of what the store keeps in Redis, tagged by client so that one script may use all of a client's. */
export interface RedisNames {
  record(id: KeyId): string
  /** The client's log of resolutions. */
  log(client: string): string
  /** Glob patterns, of one client or of all. */
  records(client: string | undefined): string
  logs(client: string | undefined): string
  /** What a name stands for. Throws a plain Error for a name that is none of ours. */
  recordOf(name: string): KeyId
  clientOf(name: string): string
}

/** `prefix`: in front of every name; for several services on one Redis, and for tests. */
export function redisNames(prefix = 'oncekey'): RedisNames {
  const start = (kind: string, client: string) => `${prefix}:${kind}:{${escaped(client)}}`
  const pattern = (kind: string, client: string | undefined) =>
    client === undefined ? `${glob(`${prefix}:${kind}:{`)}*` : glob(start(kind, client))
  const rest = (name: string, kind: string) => {
    const expected = `${prefix}:${kind}:{`
    if (!name.startsWith(expected)) throw new Error('a name in Redis that is none of ours')
    return name.slice(expected.length)
  }
  return {
    record: ({ client, scope, key }) => `${start('key', client)}:${escaped(boundedScope(scope))}:${key}`,
    log: (client) => start('audit', client),
    records: (client) => `${pattern('key', client)}${client === undefined ? '' : ':*'}`,
    logs: (client) => pattern('audit', client),
    recordOf(name) {
      const [, client, scope, key] = /^([^}]*)\}:([^:]*):(.*)$/s.exec(rest(name, 'key')) ?? []
      if (client === undefined || scope === undefined || key === undefined) {
        throw new Error('a name in Redis that is none of ours')
      }
      return { client: unescaped(client), scope: unescaped(scope), key }
    },
    clientOf: (name) => unescaped(rest(name, 'audit').slice(0, -1)),
  }
}

/** So that no two ids have one name: without it, scope `a` with key `b:c` and scope `a:b` with key `c` would. */
function escaped(text: string): string {
  return SPECIAL.test(text) ? text.replaceAll(EACH_SPECIAL, percentEncoded) : text
}

const SPECIAL = /[%:{}]/
const EACH_SPECIAL = /[%:{}]/g

function percentEncoded(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
}

function unescaped(text: string): string {
  return text.replace(/%([0-9A-F]{2})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
}

function glob(text: string): string {
  return text.replace(/[\\*?[\]]/g, '\\$&')
}
