import { ServiceError } from '../core/service-error.ts'
import { codeOf } from './outage.ts'
import { LACKS_COMMAND, LACKS_RIGHT } from './redis-refusals.ts'

const NAME_THE_CA = 'set the CA that signed it: sslrootcert=FILE in DATABASE_URL, for Redis REDIS_TLS_CA'

/** What an operator can do, by the SQLSTATE of PostgreSQL or a pooler, or the code of a Node.js error. */
const ADVICE: Record<string, string | undefined> = {
  '08P01': 'the pooler does not accept a parameter of DATABASE_URL: leave it out',
  '22023': 'a parameter of DATABASE_URL has a value that the server does not accept: correct it',
  '25006':
    'it accepts no writes: name the primary, and check default_transaction_read_only of database and role',
  '28P01': 'correct the password in DATABASE_URL',
  '28000':
    'allow this role, database and address in pg_hba.conf; if it requires encryption, add sslmode=verify-full to DATABASE_URL; if it requires a client certificate, add sslcert=FILE and sslkey=FILE',
  '3D000': 'create the database, or correct its name in DATABASE_URL',
  '3F000': 'no schema of search_path exists, or the role may not use it: GRANT USAGE, CREATE ON SCHEMA',
  '42501':
    'the role lacks a right: to migrate, let it own the database or GRANT USAGE, CREATE ON SCHEMA public; docs/engines.md has the GRANTs of the role of the service',
  '42704': 'the server does not know a parameter of DATABASE_URL: leave it out',
  '42P01': 'the tables are not in search_path: run oncekey migrate, or set search_path of the role',
  '42P07':
    'another program has a table with this name: use a separate database or schema for oncekey: CREATE SCHEMA oncekey, and search_path=oncekey in DATABASE_URL',
  '42883': 'the functions are not in search_path: run oncekey migrate, or set search_path of the role',
  '53100': 'free space on the disk of the database',
  '53300': 'raise max_connections, or run fewer processes: each opens up to 6',
  '54000': 'vacuum the database: until then it accepts no writes',
  '55P03': 'a lock was not available within lock_timeout: pg_stat_activity shows which session holds it',
  ERR_TLS_NOT_OFFERED: 'enable ssl in the server, or leave sslmode out of DATABASE_URL',
  ERR_TLS_CERT_ALTNAME_INVALID:
    'the certificate is for another name: connect by that name, or use sslmode=verify-ca',
  SELF_SIGNED_CERT_IN_CHAIN: NAME_THE_CA,
  DEPTH_ZERO_SELF_SIGNED_CERT: `the certificate is its own CA, ${NAME_THE_CA}`,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: NAME_THE_CA,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: NAME_THE_CA,
  CERT_HAS_EXPIRED: 'renew the certificate of the server',
}

/** Advice for errors of OpenSSL, by code. */
const TLS_ADVICE: readonly (readonly [RegExp, string])[] = [
  [
    /^ERR_SSL_.*_ALERT_(UNKNOWN_CA|.*CERTIFICATE.*)$/,
    'the server does not accept the certificate of this client, or requires one: sslcert=FILE and sslkey=FILE in DATABASE_URL, for Redis REDIS_TLS_CERT and REDIS_TLS_KEY',
  ],
  [/^ERR_OSSL_/, 'the key of this client cannot be opened: sslpassword=PASSPHRASE in DATABASE_URL'],
]

/** Advice for errors of PgBouncer, by the start of their text: all of them have the SQLSTATE 08P01. */
const POOLER_ADVICE: readonly (readonly [RegExp, string])[] = [
  [
    /^PQexec disallowed/,
    'disable_pqexec of PgBouncer accepts no migrations: run oncekey migrate with the server itself in DATABASE_URL, and serve with it in DATABASE_DIRECT_URL',
  ],
]

/** Advice for errors of Redis, by the start of their text. */
const REDIS_ADVICE: readonly (readonly [RegExp, string])[] = [
  [/^READONLY/, 'it is a replica, which accepts no writes: name the primary, or the sentinels'],
  [/^(MOVED|CROSSSLOT|ASK)/, 'it is one node of a cluster: name several of its nodes, separated by commas'],
  [LACKS_RIGHT, 'the user lacks a right: docs/engines.md has the ACL'],
  [
    LACKS_COMMAND,
    'an order needs this command: REDIS_URL must name Redis itself, not a proxy without this command, and rename-command must not remove it',
  ],
  [/^(NOAUTH|WRONGPASS)/, 'correct user and password in REDIS_URL'],
  [/^OOM/, 'raise maxmemory: with the policy noeviction Redis refuses writes when it is full'],
  [/^MISCONF/, 'it cannot save to its disk: free space on it, or see its log'],
  [/^NOREPLICAS/, 'it has too few replicas: see min-replicas-to-write'],
]

/** The cause and, if it is known, what to do. */
export function explainRefusal(error: unknown): string {
  const cause = causeOf(error)
  const text = textOf(cause)
  const code = codeOf(cause)
  const advice =
    POOLER_ADVICE.find(([pattern]) => pattern.test(text))?.[1] ??
    ADVICE[code] ??
    TLS_ADVICE.find(([pattern]) => pattern.test(code))?.[1] ??
    REDIS_ADVICE.find(([pattern]) => pattern.test(text))?.[1]
  return advice === undefined ? text : `${text}: ${advice}`
}

/** The `reason` of an OpenSSL error: its message also has positions in the source of OpenSSL. */
function textOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  if ('reason' in cause && typeof cause.reason === 'string' && codeOf(cause).startsWith('ERR_'))
    return cause.reason
  return cause.message || cause.name
}

/** SQLSTATEs and codes of errors that last until an operator acts. */
const LASTING =
  /^(08P01|22023|28...|3D000|42...|3F000|ERR_TLS_.*|ERR_OSSL.*|ERR_SSL_.*|.*CERT.*|UNABLE_TO_.*)$/

export function isLasting(error: unknown): boolean {
  return LASTING.test(codeOf(causeOf(error)))
}

/** The error of the driver, which is the cause of our own errors. */
function causeOf(error: unknown): unknown {
  let cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  while (cause instanceof ServiceError && cause.cause instanceof Error) cause = cause.cause
  return cause
}
