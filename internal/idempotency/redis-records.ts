import { randomHex } from '../core/ids.ts'
import type { RedisConnection } from '../database/redis.ts'
import { loadScript } from '../database/redis-script.ts'
import {
  type KeyRecord,
  type KeyRecords,
  parseImportOutcome,
  parseResolution,
  parseState,
  type Resolution,
} from './key-records.ts'
import { redisNames } from './redis-names.ts'
import { type RedisStoreOptions, redisStore } from './redis-store.ts'
import { parseHeaders } from './response-headers.ts'
import { DEFAULT_TTL_MS, type KeyId, parseReason } from './store.ts'

const SHOW = loadScript(new URL('./show.lua', import.meta.url))
const RESPONSE = loadScript(new URL('./response.lua', import.meta.url))
const IMPORT = loadScript(new URL('./import.lua', import.meta.url))
const LOG = loadScript(new URL('./log.lua', import.meta.url))
/** Entries read in one step. */
const LOG_PAGE = 200

/**
 * The keys of `redisStore` with the same options, for operators.
 *
 * @example for await (const key of redisRecords(redis, {}).list({ state: 'unknown' })) console.log(key)
 */
export function redisRecords(redis: RedisConnection, options: RedisStoreOptions): KeyRecords {
  const names = redisNames(options.prefix)
  const show = async (id: KeyId) => parseShown(id, await redis.run(SHOW, [names.record(id)], []))

  return {
    async *list({ state, client }) {
      for await (const page of redis.scan(names.records(client))) {
        const records = await Promise.all(page.map((name) => show(names.recordOf(name))))
        for (const record of records) {
          // Forgotten between the two looks.
          if (record === undefined) continue
          if (state === undefined || record.state === state) yield record
        }
      }
    },
    show,
    async response(id) {
      const [status, headers, body] = list(await redis.run(RESPONSE, [names.record(id)], []))
      if (!(body instanceof Buffer)) return undefined
      return { status: Number(text(status)), headers: parseHeaders(text(headers)), body }
    },
    resolve: redisStore(redis, options).resolve,
    importAll(keys, { by, dryRun }) {
      const { ttlMs = DEFAULT_TTL_MS } = options
      return Promise.all(
        keys.map(async ({ id, fingerprint, response, expiresAtMs }) => {
          const record = [
            fingerprint,
            randomHex(16),
            by,
            response.status,
            JSON.stringify(response.headers),
            response.body,
          ]
          const args = [...record, ttlMs, expiresAtMs ?? '', dryRun ? '1' : '0']
          return parseImportOutcome(await redis.run(IMPORT, [names.record(id)], args))
        }),
      )
    },
    async *log(client) {
      for await (const page of redis.scan(names.logs(client))) {
        for (const name of page) yield* resolutions(redis, name, names.clientOf(name))
      }
    },
  }
}

async function* resolutions(redis: RedisConnection, name: string, client: string): AsyncIterable<Resolution> {
  let from = '-'
  for (;;) {
    const page = list(await redis.run(LOG, [name], [from, LOG_PAGE]))
    for (const entry of page) {
      const [id, fields] = list(entry)
      const [, event, , json] = list(fields).map(text)
      const [milliseconds = ''] = text(id).split('-')
      yield parseResolution(client, new Date(Number(milliseconds)), event ?? '', json ?? '')
      from = `(${text(id)}`
    }
    if (page.length < LOG_PAGE) return
  }
}

function parseShown(id: KeyId, reply: unknown): KeyRecord | undefined {
  const [state = '', held = '', attempt, reason = '', status, resolvedBy, sinceMs, leaseMs, expiresMs] =
    list(reply).map(text)
  if (state === 'absent') return undefined
  const number = (one: string | undefined) => (one ? Number(one) : undefined)
  return {
    id,
    state: parseState(state),
    held,
    attempt: Number(attempt),
    reason: state === 'unknown' ? parseReason(reason) : undefined,
    sinceMs: state === 'completed' ? undefined : number(sinceMs),
    leaseMs: number(leaseMs),
    expiresMs: number(expiresMs),
    status: number(status),
    resolvedBy: resolvedBy || undefined,
  }
}

function list(reply: unknown): unknown[] {
  return Array.isArray(reply) ? reply : []
}

function text(reply: unknown): string {
  return String(reply ?? '')
}
