import { parseArgs } from 'node:util'
import { type Database, openDatabase } from '../../internal/database/database.ts'
import { clusterNodes } from '../../internal/database/distribute.ts'
import { examineServer } from '../../internal/database/examine-server.ts'
import { explainRefusal } from '../../internal/database/explain-refusal.ts'
import { BREAKING, newerMigrations, pendingMigrations } from '../../internal/database/migrate.ts'
import { rehearseDatabase } from '../../internal/database/rehearse.ts'
import { missingRights } from '../../internal/database/service-rights.ts'
import { readClients } from '../../internal/signature/client-table.ts'
import { keyFault, openSecret } from '../../internal/signature/keyring.ts'
import { type Config, keyringOf, readConfig } from '../config/config.ts'
import { ConfigError } from '../config/setting.ts'
import { maskUrl } from '../config/setting-values.ts'
import { SQL_DIRECTORY } from '../package-root.ts'
import { openSettingsClients } from '../runtime/open-clients.ts'
import { describeCause } from '../runtime/underlying-cause.ts'
import { checkRedis } from './check-redis.ts'
import { clock, type Finding } from './finding.ts'

export const HELP = `Usage: oncekey doctor

Checks the settings (and tells how many API keys are set), the database (connection, version, clock, migrations, rights,
secrets of clients) and Redis (connection, version, clock, maxmemory-policy of each master; slots of a cluster, majority of
the sentinels): a line each, exit code 1 if one of them is at fault.
`

export async function doctor(args: string[]): Promise<number> {
  parseArgs({ args, options: {} })
  const findings = await examine()
  for (const { ok, check, detail } of findings)
    process.stdout.write(`${ok ? 'ok   ' : 'FAULT'} ${check}: ${detail}\n`)
  return findings.every(({ ok }) => ok) ? 0 : 1
}

async function examine(): Promise<Finding[]> {
  let config: Config
  try {
    config = readConfig('serve')
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.faults.map((detail) => ({ ok: false, check: 'settings', detail }))
  }
  return [
    { ok: true, check: 'settings', detail: 'valid' },
    apiKeys(config),
    gateway(config),
    ...clientsFile(config),
    ...(await checkDatabase(config)),
    ...(await checkRedis(config)),
  ]
}

function apiKeys({ apiKeys }: Config): Finding {
  const users = new Set(apiKeys.map(({ user }) => user)).size
  const detail =
    apiKeys.length === 0 ? 'none' : `${apiKeys.length} set, of ${users} user${users === 1 ? '' : 's'}`
  return { ok: true, check: 'api keys', detail }
}

function gateway({ gatewayUrl, production }: Config): Finding {
  const check = 'payment gateway'
  if (gatewayUrl !== undefined)
    return { ok: true, check, detail: `${maskUrl(gatewayUrl)}, not called by doctor` }
  const why = production ? 'SIMULATED_GATEWAY' : 'demo mode'
  return { ok: true, check, detail: `simulated (${why}): NOTHING IS CHARGED` }
}

function clientsFile(config: Config): Finding[] {
  if (config.clientsFile === undefined) return []
  const check = 'clients file'
  try {
    openSettingsClients(config, () => {}).close()
    return [{ ok: true, check, detail: `CLIENTS_FILE=${config.clientsFile}: valid` }]
  } catch (error) {
    return [{ ok: false, check, detail: `CLIENTS_FILE=${describeCause(error)}` }]
  }
}

async function checkDatabase(config: Config): Promise<Finding[]> {
  if (config.databaseUrl === undefined)
    return [{ ok: true, check: 'database', detail: `embedded, under ${config.dataDir}; opened by serve` }]
  const database = openDatabase(config.databaseUrl)
  try {
    const findings = [...(await databaseServer(database)), await databaseClock(database)]
    const pending = await pendingMigrations(database, SQL_DIRECTORY)
    findings.push(migrations(pending, await newerMigrations(database, SQL_DIRECTORY)))
    if (pending.length > 0) return findings
    const missing = await missingRights(database)
    findings.push(rights(missing), await orders(database), ...(await shards(database)))
    if (missing.length === 0) findings.push(await clients(database, config))
    return findings
  } catch (error) {
    return [{ ok: false, check: 'database', detail: `DATABASE_URL: ${explainRefusal(error)}` }]
  } finally {
    await database.close()
  }
}

async function databaseServer(database: Database): Promise<Finding[]> {
  const { version, faults, readsOnly, warnings } = await examineServer(database)
  const wrong = [...faults, ...(readsOnly === undefined ? [] : [readsOnly]), ...warnings]
  if (wrong.length === 0) return [{ ok: true, check: 'database', detail: `PostgreSQL ${version}` }]
  return wrong.map((fault) => ({ ok: false, check: 'database', detail: `it ${fault}` }))
}

async function databaseClock(database: Database): Promise<Finding> {
  const sentMs = Date.now()
  const theirMs = await database.clockMs()
  return clock('database clock', theirMs, sentMs, Date.now())
}

/** `newer`: migrations of a newer version, which are fine unless they are breaking. */
function migrations(pending: readonly string[], newer: readonly string[]): Finding {
  const check = 'migrations'
  if (newer.some((name) => BREAKING.test(name)))
    return { ok: false, check, detail: `${newer.join(', ')}: the database is too new for this version` }
  if (pending.length > 0)
    return { ok: false, check, detail: `${pending.join(', ')} not applied: run oncekey migrate` }
  const beyond =
    newer.length === 0 ? '' : `, and by a newer version ${newer.join(', ')}: upgrade this one too`
  return { ok: true, check, detail: `all applied${beyond}` }
}

/** `missing`: the statements that grant it. */
function rights(missing: readonly string[]): Finding {
  const check = 'rights'
  if (missing.length === 0) return { ok: true, check, detail: 'the role has those that the service needs' }
  return { ok: false, check, detail: `the role lacks some: run, as the owner, ${missing.join('; ')}` }
}

/** Whether an order could be placed now. */
async function orders(database: Database): Promise<Finding> {
  const check = 'orders'
  try {
    await rehearseDatabase(database, 'orders')
    return { ok: true, check, detail: 'can be placed' }
  } catch (error) {
    return { ok: false, check, detail: `cannot be placed: ${explainRefusal(error)}` }
  }
}

/** The workers of distributed tables. */
async function shards(database: Database): Promise<Finding[]> {
  if (database.shards === undefined) return []
  const check = 'shards'
  const workers = (await clusterNodes(database))?.filter((node) => node.holdsShards || node.shards > 0) ?? []
  const away = workers.filter(({ isActive }) => !isActive)
  if (away.length > 0)
    return [
      { ok: false, check, detail: `workers are not active: ${away.map(({ name }) => name).join(', ')}` },
    ]
  const [look] = await database.run(
    (sql) =>
      sql`SELECT current_setting('client_connection_check_interval') AS every, quote_ident(current_database()) AS name`,
  )
  if (look?.every === '0') {
    const detail = `client_connection_check_interval is 0, so that a worker that hangs takes every connection: ALTER DATABASE ${look.name} SET client_connection_check_interval = '1s'`
    return [{ ok: false, check, detail }]
  }
  const used = workers.filter((node) => node.shards > 0)
  const all = used.reduce((sum, node) => sum + node.shards, 0)
  const places = used.map(({ name, shards: own }) => `${own} on ${name}`).join(', ')
  const detail = `${all} of each table, by client, on ${used.length} of ${workers.length} workers: ${places}`
  return [{ ok: true, check, detail }]
}

/** Whether the secrets in the database can be opened, and no client is defined in the settings too. */
async function clients(database: Database, config: Config): Promise<Finding> {
  const fault = (detail: string) => ({ ok: false, check: 'clients', detail })
  const { secrets = [] } = await readClients(database, '')
  const wrongKey = keyFault(secrets, keyringOf(config))
  if (wrongKey !== undefined) return fault(wrongKey.message)
  for (const row of secrets) {
    const opened = openSecret(row, keyringOf(config))
    if (opened instanceof Error) return fault(opened.message)
  }
  const ids = new Set(secrets.map(({ client }) => client))
  const twice = namedBySettings(config, ids)
  if (twice.length > 0)
    return fault(`${twice.join(', ')}: in the database and in HMAC_SECRET or CLIENTS_FILE`)
  const detail = ids.size === 0 ? 'none in the database' : `${ids.size} in the database, their secrets open`
  return { ok: true, check: 'clients', detail }
}

function namedBySettings(config: Config, ids: ReadonlySet<string>): string[] {
  try {
    const settings = openSettingsClients(config, () => {})
    settings.close()
    return [...ids].filter((id) => settings.find(id) !== undefined)
  } catch {
    // A bad file is a finding of its own.
    return []
  }
}
