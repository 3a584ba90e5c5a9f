import { existsSync } from 'node:fs'
import { userInfo } from 'node:os'

/** How a connection is encrypted, and what is verified of the server. docs/engines.md has the table of `sslmode`. */
export interface TlsOptions {
  /** `if offered` goes on without where the server has none; `direct` begins with it (PostgreSQL 17). */
  use: 'never' | 'if offered' | 'always' | 'direct'
  verify: 'nothing' | 'chain' | 'chain and name'
  /** Paths, read at each connection, so that renewed certificates are used. Without `ca`: those that Node.js trusts. */
  ca: string | undefined
  cert: string | undefined
  key: string | undefined
  passphrase: string | undefined
  minVersion: string | undefined
}

/** One server of a URL. */
export interface DatabaseServer {
  /** A name, an address, or the directory of a Unix socket, which begins with a slash. */
  host: string
  port: number
  user: string
  /** undefined: the driver takes PGPASSWORD. */
  password: string | undefined
  database: string
  tls: TlsOptions
  /** undefined: unless a pooler is seen, which may not know prepared statements. */
  prepare: boolean | undefined
  /** Settings of the session, sent when a connection begins. */
  parameters: Readonly<Record<string, string>>
}

const FORM = /^postgres(?:ql)?:\/\/(?:([^@/?#]*)@)?([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/

/**
 * The servers of `postgres://user:password@host:port,host:port/name?sslmode=verify-full`. Of several the one that takes
 * writes is looked for. Parameters that libpq or the tools of providers know and the driver lacks are left out where
 * nothing is lost by it, and refused by name where it would be; all others are settings of the session. Throws an Error
 * that says the rule.
 */
export function parseDatabaseUrl(text: string): DatabaseServer[] {
  const [whole, credentials = '', hosts = '', name = '', query = ''] = FORM.exec(text) ?? []
  if (whole === undefined) throw new Error(otherForm(text))
  const parameters = new URLSearchParams(query)
  const take = (key: string) => {
    const value = parameters.get(key)
    parameters.delete(key)
    return value || undefined
  }
  const [user, ...password] = credentials.split(':')
  const [host, port] = [take('host'), take('port')]
  const common = {
    user: take('user') ?? (decoded(user) || userInfo().username),
    password: take('password') ?? (decoded(password.join(':')) || undefined),
    tls: takeTls(take),
    prepare: takePrepare(take),
  }
  const database = take('dbname') ?? (decoded(name) || common.user)
  checkSession(take)
  for (const key of LEFT_OUT) parameters.delete(key)
  const settings = Object.fromEntries(parameters)
  const list = (hosts || host || 'localhost').split(',')
  return list.map((one) => ({ ...common, ...address(one, port), database, parameters: settings }))
}

/** The variables of libpq that stand in for what the URL does not say. */
const VARIABLES = [
  ['host', 'PGHOST'],
  ['port', 'PGPORT'],
  ['user', 'PGUSER'],
  ['dbname', 'PGDATABASE'],
  ['sslmode', 'PGSSLMODE'],
  ['sslrootcert', 'PGSSLROOTCERT'],
  ['sslcert', 'PGSSLCERT'],
  ['sslkey', 'PGSSLKEY'],
  ['target_session_attrs', 'PGTARGETSESSIONATTRS'],
] as const

/** The URL with what the environment adds to it, unchecked. */
export function withVariables(text: string, env: NodeJS.ProcessEnv): string {
  const [whole, user = '', hosts = '', name = '', query = ''] = FORM.exec(text) ?? []
  if (whole === undefined) return text
  const said = new Set(new URLSearchParams(query).keys())
  if (user !== '') said.add('user')
  if (hosts !== '') said.add('host').add('port')
  if (name !== '') said.add('dbname')
  const added = VARIABLES.flatMap(([key, variable]) => {
    const value = said.has(key) ? '' : (env[variable] ?? '')
    return value === '' ? [] : [`${key}=${encodeURIComponent(value)}`]
  })
  return added.length === 0 ? text : `${text}${query === '' ? '?' : '&'}${added.join('&')}`
}

/** For a setting: the text, or an Error that says the rule. */
export function databaseUrl(text: string): string {
  for (const { tls } of parseDatabaseUrl(text)) {
    for (const [name, path] of [
      ['sslrootcert', tls.ca],
      ['sslcert', tls.cert],
      ['sslkey', tls.key],
    ] as const) {
      if (path !== undefined && !existsSync(path)) throw new Error(`${name}=${path}: there is no such file`)
    }
    if ((tls.cert === undefined) !== (tls.key === undefined))
      throw new Error('sslcert and sslkey go together: the certificate of a client and its key')
  }
  return text
}

/** `host:port`, or the path of the Unix socket. */
export function whereIs({ host, port }: DatabaseServer): string {
  return host.startsWith('/') ? `${host}/.s.PGSQL.${port}` : `${host}:${port}`
}

type Take = (key: string) => string | undefined

function otherForm(text: string): string {
  const [scheme = ''] = text.split('://', 1)
  if (/^postgres(ql)?$/.test(scheme) && text.includes('://')) {
    return 'must have user, password and name percent-encoded: # is %23, / is %2F, ? is %3F, @ is %40'
  }
  if (/^(jdbc:)?postgres(ql)?[+:\w]*$/i.test(scheme) && text.includes('://')) {
    return `must begin with postgresql://, without ${scheme.replace(/^postgres(ql)?/i, '') || scheme}, which is for another driver`
  }
  return 'must be a URL like postgresql://user:password@host:5432/database'
}

function address(text: string, port: string | undefined): { host: string; port: number } {
  const given = port === undefined ? 5432 : Number(port)
  const host = decoded(text)
  if (host.startsWith('/')) return { host, port: given }
  const url = URL.canParse(`postgres://${text}`) ? new URL(`postgres://${text}`) : undefined
  if (url === undefined || url.hostname === '' || !Number.isInteger(given) || given < 1 || given > 65_535)
    throw new Error('must be a URL like postgresql://user:password@host:5432/database')
  return { host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port: url.port === '' ? given : Number(url.port) }
}

function decoded(text = ''): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new Error('must have user, password and name percent-encoded: a % stands before two hex digits')
  }
}

const MODES: Record<string, Pick<TlsOptions, 'use' | 'verify'> | undefined> = {
  disable: { use: 'never', verify: 'nothing' },
  allow: { use: 'if offered', verify: 'nothing' },
  prefer: { use: 'if offered', verify: 'nothing' },
  require: { use: 'always', verify: 'nothing' },
  'no-verify': { use: 'always', verify: 'nothing' },
  'verify-ca': { use: 'always', verify: 'chain' },
  'verify-full': { use: 'always', verify: 'chain and name' },
}
/** As other drivers name it. */
const SSL: Record<string, string | undefined> = {
  true: 'verify-full',
  1: 'verify-full',
  false: 'disable',
  0: 'disable',
}

function takeTls(take: Take): TlsOptions {
  const [ssl, accept, root] = [take('ssl'), take('sslaccept'), take('sslrootcert')]
  const named = take('sslmode') ?? (ssl === undefined ? undefined : (SSL[ssl] ?? ssl))
  const strict = accept === 'strict' || root === 'system' ? 'verify-full' : undefined
  const name = strict ?? named ?? 'disable'
  const mode = MODES[name]
  if (mode === undefined) throw new Error(`sslmode=${name}: must be one of ${Object.keys(MODES).join(', ')}`)
  const direct = take('sslnegotiation') === 'direct'
  if (direct && mode.use !== 'always')
    throw new Error('sslnegotiation=direct needs sslmode=require, verify-ca or verify-full')
  const ca = root === 'system' ? undefined : root
  return {
    use: direct ? 'direct' : mode.use,
    // As libpq does it: who names a CA wants the server to be checked against it.
    verify: name === 'require' && ca !== undefined ? 'chain' : mode.verify,
    ca,
    cert: take('sslcert'),
    key: take('sslkey'),
    passphrase: take('sslpassword'),
    minVersion: take('ssl_min_protocol_version'),
  }
}

function takePrepare(take: Take): boolean | undefined {
  const [prepare, pgbouncer, cache] = [take('prepare'), take('pgbouncer'), take('statement_cache_size')]
  if (prepare === 'false' || pgbouncer === 'true' || cache === '0') return false
  return prepare === 'true' ? true : undefined
}

/** What would be lost if it were left out. */
const REFUSED: Record<string, string | undefined> = {
  require_auth: 'the driver cannot restrict how it authenticates',
  requirepeer: 'the driver does not look at the owner of a Unix socket',
  sslcrl: 'the driver reads no lists of revoked certificates',
  sslcrldir: 'the driver reads no lists of revoked certificates',
  passfile: 'the driver reads no password file: put the password into the URL or PGPASSWORD',
  service: 'the driver reads no service file: put its values into the URL',
  replication: 'orders are written by statements',
}

function checkSession(take: Take): void {
  for (const [key, why] of Object.entries(REFUSED)) {
    if (take(key) !== undefined) throw new Error(`${key} must be left out: ${why}`)
  }
  for (const key of ['channel_binding', 'gssencmode']) {
    if (take(key) === 'require') throw new Error(`${key}=require must be left out: the driver lacks it`)
  }
  const schema = take('schema') ?? take('currentSchema') ?? 'public'
  if (schema !== 'public')
    throw new Error(`schema=${schema}: name it as search_path=${schema}, the setting of PostgreSQL`)
  const wanted = take('target_session_attrs') ?? 'any'
  if (!['any', 'read-write', 'primary'].includes(wanted)) {
    throw new Error(
      `target_session_attrs=${wanted}: must be read-write, primary or any: orders are written, and of several hosts the one that takes writes is looked for`,
    )
  }
}

/** Nothing is lost without them: the service has deadlines and a pool of its own, and sets the others for its sessions. */
const LEFT_OUT = [
  // libpq
  ...['connect_timeout', 'tcp_user_timeout', 'keepalives', 'keepalives_idle', 'keepalives_interval'],
  ...['keepalives_count', 'fallback_application_name', 'application_name', 'hostaddr', 'sslsni'],
  ...['sslcompression', 'sslcertmode', 'sslkeylogfile', 'ssl_max_protocol_version', 'krbsrvname', 'gsslib'],
  ...['gssdelegation', 'load_balance_hosts', 'min_protocol_version', 'max_protocol_version'],
  // Set by us.
  ...['client_encoding', 'datestyle', 'DateStyle', 'timezone', 'TimeZone', 'standard_conforming_strings'],
  // Drivers, poolers and providers.
  ...['connection_limit', 'pool_timeout', 'pool_mode', 'pool_size', 'max', 'idle_timeout', 'max_lifetime'],
  ...['keep_alive', 'socket_timeout', 'prepared_statement_cache_size', 'prepareThreshold', 'uselibpqcompat'],
  ...['supa', 'workaround', 'sslidentity', 'sslfactory', 'loggerLevel', 'reWriteBatchedInserts'],
]
