import { existsSync } from 'node:fs'
import { userInfo } from 'node:os'

/** How a connection is encrypted and the server verified. docs/engines.md has the table of `sslmode`. */
export interface TlsOptions {
  /** `if offered` continues without TLS if the server does not offer it; `direct` starts with TLS (PostgreSQL 17). */
  use: 'never' | 'if offered' | 'always' | 'direct'
  verify: 'nothing' | 'chain' | 'chain and name'
  /**
   * Paths of PEM files, read at each connection, so that renewed certificates are used. Default for `ca`: the CAs that
   * Node.js trusts.
   */
  ca: string | undefined
  cert: string | undefined
  key: string | undefined
  passphrase: string | undefined
  minVersion: string | undefined
}

/** One server of a URL. */
export interface DatabaseServer {
  /** A host name, an address, or the directory of a Unix socket, which starts with a slash. */
  host: string
  port: number
  user: string
  /** Undefined: the driver uses PGPASSWORD. */
  password: string | undefined
  database: string
  tls: TlsOptions
  /** Whether to prepare statements; undefined: unless a pooler is detected, which may not support them. */
  prepare: boolean | undefined
  /** Settings of the session, sent at the start of a connection. */
  parameters: Readonly<Record<string, string>>
}

const FORM = /^postgres(?:ql)?:\/\/(?:([^@/?#]*)@)?([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/

/**
 * Parses `postgres://user:password@host:port,host:port/name?sslmode=verify-full` into its servers. Parameters that libpq or
 * provider tools support and the driver does not are ignored if that is harmless, and refused otherwise; all other
 * parameters become settings of the session.
 *
 * @throws Error with the rule that the text violates.
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
  for (const key of IGNORED) parameters.delete(key)
  const settings = Object.fromEntries(parameters)
  const list = (hosts || host || 'localhost').split(',')
  return list.map((one) => ({ ...common, ...address(one, port), database, parameters: settings }))
}

/** The libpq environment variables for parts that the URL does not have. */
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

/** The URL with values of the environment added; not validated. */
export function withVariables(text: string, env: NodeJS.ProcessEnv): string {
  const [whole, user = '', hosts = '', name = '', query = ''] = FORM.exec(text) ?? []
  if (whole === undefined) return text
  const given = new Set(new URLSearchParams(query).keys())
  if (user !== '') given.add('user')
  if (hosts !== '') given.add('host').add('port')
  if (name !== '') given.add('dbname')
  const added = VARIABLES.flatMap(([key, variable]) => {
    const value = given.has(key) ? '' : (env[variable] ?? '')
    return value === '' ? [] : [`${key}=${encodeURIComponent(value)}`]
  })
  return added.length === 0 ? text : `${text}${query === '' ? '?' : '&'}${added.join('&')}`
}

/** Returns the text of a valid setting. Throws an Error with the rule that it violates. */
export function databaseUrl(text: string): string {
  for (const { tls } of parseDatabaseUrl(text)) {
    for (const [name, path] of [
      ['sslrootcert', tls.ca],
      ['sslcert', tls.cert],
      ['sslkey', tls.key],
    ] as const) {
      if (path !== undefined && !existsSync(path)) throw new Error(`${name}=${path}: the file does not exist`)
    }
    if ((tls.cert === undefined) !== (tls.key === undefined))
      throw new Error('sslcert and sslkey must be set together: the certificate of the client and its key')
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
    return `must start with postgresql://, without ${scheme.replace(/^postgres(ql)?/i, '') || scheme}, which is for another driver`
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
    throw new Error('must have user, password and name percent-encoded: % must be followed by two hex digits')
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
/** The `ssl` parameter of other drivers. */
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
    // As in libpq: with a CA given, `require` verifies the certificate.
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

/** Parameters that must not be ignored. */
const REFUSED: Record<string, string | undefined> = {
  require_auth: 'the driver cannot restrict how it authenticates',
  requirepeer: 'the driver does not check the owner of a Unix socket',
  sslcrl: 'the driver does not support certificate revocation lists',
  sslcrldir: 'the driver does not support certificate revocation lists',
  passfile: 'the driver does not read a password file: put the password into the URL or PGPASSWORD',
  service: 'the driver does not read a service file: put its values into the URL',
  replication: 'the service needs an ordinary connection',
}

function checkSession(take: Take): void {
  for (const [key, why] of Object.entries(REFUSED)) {
    if (take(key) !== undefined) throw new Error(`${key} must be left out: ${why}`)
  }
  for (const key of ['channel_binding', 'gssencmode']) {
    if (take(key) === 'require')
      throw new Error(`${key}=require must be left out: the driver does not support it`)
  }
  const schema = take('schema') ?? take('currentSchema') ?? 'public'
  if (schema !== 'public')
    throw new Error(`schema=${schema}: use search_path=${schema}, the setting of PostgreSQL`)
  const wanted = take('target_session_attrs') ?? 'any'
  if (!['any', 'read-write', 'primary'].includes(wanted)) {
    throw new Error(
      `target_session_attrs=${wanted}: must be read-write, primary or any: the service always connects to the host that accepts writes`,
    )
  }
}

/** Ignored without harm: the service has its own deadlines and pool, and sets the others for its sessions. */
const IGNORED = [
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
