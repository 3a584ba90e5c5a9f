import { readFileSync } from 'node:fs'
import { Redis } from 'ioredis'
import postgres from 'postgres'
import { one } from '../support/raw-http.ts'
import { sameText } from './same-text.ts'

/** Where a world leaves something behind. */
export interface Places {
  logFile: string
  metrics: { port: number; path: string }
  databaseUrl: string | undefined
  redisUrl: string | undefined
}

/** Log lines, rows, records and series as members with their values, by what they are. */
export type LeftBehind = Map<string, Members[]>
type Members = Record<string, unknown>

/** Durations, sizes and times, what shared a statement by chance, and what a process says of itself. */
const VARYING_SERIES =
  /^(?:process_|nodejs_|group_commit_items)|_in_flight|_seconds|_bytes|_timestamp|_lag|build_info/
/** What each installation has of its own. */
const OWN_TABLES = ['deployment', 'nodes', 'schema_migrations', 'events_shift', 'audit_heads']
/** Members of log lines and columns that are other ones each time. */
const VARYING_MEMBERS = new Set([
  ...[
    'time',
    'pid',
    'hostname',
    'request_id',
    'trace_id',
    'span_id',
    'duration_ms',
    'ready_after_ms',
    'port',
  ],
  ...['hash', 'seq', 'position', 'charge_id', 'token'],
])

/** What the requests have left in the log, the metrics and the stores. */
export async function readLeftBehind(places: Places): Promise<LeftBehind> {
  const { logFile, metrics, databaseUrl, redisUrl } = places
  return new Map([
    ['log lines', logLines(logFile)],
    ['metrics', await series(metrics)],
    ...(databaseUrl === undefined ? [] : await tables(databaseUrl)),
    ...(redisUrl === undefined ? [] : [['records in Redis', await records(redisUrl)] as const]),
  ])
}

/** What one has more of than the other, as lines with their count; only members that both know are compared. */
export function onlyIn(those: readonly Members[], others: readonly Members[]): string[] {
  const otherNames = namesOf(others)
  const names = new Set([...namesOf(those)].filter((name) => others.length === 0 || otherNames.has(name)))
  const [counts, otherCounts] = [countLines(those, names), countLines(others, names)]
  return [...counts]
    .map(([line, count]) => [line, count - (otherCounts.get(line) ?? 0)] as const)
    .filter(([, more]) => more > 0)
    .map(([line, more]) => `${more} x ${line}`)
    .sort()
}

/** The names of the members that any of them has. */
export function namesOf(all: readonly Members[]): Set<string> {
  return new Set(all.flatMap((one) => Object.keys(one)))
}

function countLines(all: readonly Members[], names: ReadonlySet<string>): Map<string, number> {
  const counts = new Map<string, number>()
  for (const one of all) {
    const kept = Object.entries(one).filter(([name]) => names.has(name) && !VARYING_MEMBERS.has(name))
    const line = sameText(
      kept
        .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
        .sort()
        .join(' '),
    )
    counts.set(line, (counts.get(line) ?? 0) + 1)
  }
  return counts
}

function logLines(file: string): Members[] {
  const lines = readFileSync(file, 'latin1').split('\n')
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line))
}

async function series({ port, path }: Places['metrics']): Promise<Members[]> {
  const { body } = await one(port, `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
  const lines = body.split('\n').filter((line) => /^[a-z]/.test(line) && !VARYING_SERIES.test(line))
  return lines.map((line) => ({ series: line }))
}

async function tables(databaseUrl: string): Promise<[string, Members[]][]> {
  const sql = postgres(databaseUrl, { max: 1 })
  try {
    const names = await sql`
      SELECT c.relname AS name FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
      WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
        AND c.relname <> ALL (${OWN_TABLES}) ORDER BY 1`
    const found: [string, Members[]][] = []
    for (const { name } of names) {
      const rows = await sql`SELECT to_jsonb(t)::text AS row FROM ${sql(name)} AS t`
      found.push([`rows of ${name}`, rows.map(({ row }) => JSON.parse(row, withText))])
    }
    return found
  } finally {
    await sql.end()
  }
}

/** Bytes as the text that they are, except for hashes; JSON that is kept as text as what it says. */
function withText(_name: string, value: unknown): unknown {
  if (typeof value !== 'string') return value
  const [, hex] = /^\\x((?:[0-9a-f]{2})*)$/.exec(value) ?? []
  const text = hex === undefined || hex.length === 64 ? value : Buffer.from(hex, 'hex').toString()
  return text.startsWith('{"') ? JSON.parse(text) : text
}

async function records(url: string): Promise<Members[]> {
  const redis = new Redis(url)
  try {
    const names = await redis.keys('*')
    const found = names.map(async (name) => {
      const kind = await redis.type(name)
      const members = kind === 'hash' ? Object.keys(await redis.hgetall(name)).sort() : []
      return { name, kind, members }
    })
    return await Promise.all(found)
  } finally {
    redis.disconnect()
  }
}
