import { ServiceError } from '../core/service-error.ts'
import { codeOf } from './outage.ts'
import { LACKS_COMMAND, LACKS_RIGHT } from './redis-refusals.ts'

const NAME_THE_CA = 'name the CA that signed it: sslrootcert=FILE in DATABASE_URL, for Redis REDIS_TLS_CA'

/** What an operator can do about what PostgreSQL, a pooler or Node.js says, by SQLSTATE or the code of a system error. */
const ADVICE: Record<string, string | undefined> = {
  '08P01': 'the pooler does not take what the URL asks for: leave it out of DATABASE_URL',
  '22023': 'a parameter of DATABASE_URL has a value that the server does not take: correct it',
  '25006':
    'it takes no writes: name the primary, and look at default_transaction_read_only of database and role',
  '28P01': 'correct the password in DATABASE_URL',
  '28000':
    'let pg_hba.conf take this role, database and address; where it demands encryption, add sslmode=verify-full to DATABASE_URL, and where it demands the certificate of a client, sslcert=FILE and sslkey=FILE',
  '3D000': 'create the database, or correct its name in DATABASE_URL',
  '3F000': 'no schema of search_path is there, or none may be used: GRANT USAGE, CREATE ON SCHEMA',
  '42501':
    'the role lacks a right: to migrate, let it own the database or GRANT USAGE, CREATE ON SCHEMA public; docs/engines.md has the GRANTs of the role that serves',
  '42704': 'the server does not know a parameter of DATABASE_URL: leave it out',
  '42P01': 'the tables are not in search_path: run oncekey migrate, or set search_path of the role',
  '42P07':
    'another program has a table of this name there: give oncekey a database or a schema of its own: CREATE SCHEMA oncekey, and search_path=oncekey in DATABASE_URL',
  '42883': 'the functions are not in search_path: run oncekey migrate, or set search_path of the role',
  '53100': 'make room on the disk of the database',
  '53300': 'raise max_connections, or run fewer processes: each opens up to 6',
  '54000': 'vacuum the database: it takes no writes before',
  '55P03': 'a lock was not to be had within lock_timeout: see pg_stat_activity for who holds it',
  ERR_TLS_NOT_OFFERED: 'switch ssl on in the server, or leave sslmode out of DATABASE_URL',
  ERR_TLS_CERT_ALTNAME_INVALID:
    'the certificate is for another name: connect by that name, or use sslmode=verify-ca',
  SELF_SIGNED_CERT_IN_CHAIN: NAME_THE_CA,
  DEPTH_ZERO_SELF_SIGNED_CERT: `the certificate is its own CA, ${NAME_THE_CA}`,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: NAME_THE_CA,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: NAME_THE_CA,
  CERT_HAS_EXPIRED: 'renew the certificate of the server',
}

/** The same for what OpenSSL says, by its code. */
const TLS_ADVICE: readonly (readonly [RegExp, string])[] = [
  [
    /^ERR_SSL_.*_ALERT_(UNKNOWN_CA|.*CERTIFICATE.*)$/,
    'the server does not take the certificate of this client, or wants one: sslcert=FILE and sslkey=FILE in DATABASE_URL, for Redis REDIS_TLS_CERT and REDIS_TLS_KEY',
  ],
  [/^ERR_OSSL_/, 'the key of this client cannot be opened: sslpassword=PASSPHRASE in DATABASE_URL'],
]

/** The same for what Redis says, by how it begins. */
const REDIS_ADVICE: readonly (readonly [RegExp, string])[] = [
  [/^READONLY/, 'it is a replica, which takes no writes: name the primary, or the sentinels'],
  [/^(MOVED|CROSSSLOT|ASK)/, 'it is one node of a cluster: name several of its nodes, in a comma list'],
  [LACKS_RIGHT, 'the user lacks a right: docs/engines.md has the ACL'],
  [
    LACKS_COMMAND,
    'an order needs this command: REDIS_URL must name Redis itself and no proxy that leaves it out, nor may rename-command',
  ],
  [/^(NOAUTH|WRONGPASS)/, 'correct user and password in REDIS_URL'],
  [/^OOM/, 'raise maxmemory: the policy noeviction throws nothing away'],
  [/^MISCONF/, 'it cannot save to its disk: make room, or look at its log'],
  [/^NOREPLICAS/, 'it waits for its replicas: min-replicas-to-write'],
]

/** The cause and what to do, in a sentence; only the cause where nothing is known. */
export function explainRefusal(error: unknown): string {
  const cause = causeOf(error)
  const text = textOf(cause)
  const code = codeOf(cause)
  const advice =
    ADVICE[code] ??
    TLS_ADVICE.find(([pattern]) => pattern.test(code))?.[1] ??
    REDIS_ADVICE.find(([pattern]) => pattern.test(text))?.[1]
  return advice === undefined ? text : `${text}: ${advice}`
}

/** OpenSSL puts where it found the reason before and behind it. */
function textOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  if ('reason' in cause && typeof cause.reason === 'string' && codeOf(cause).startsWith('ERR_'))
    return cause.reason
  return cause.message || cause.name
}

/** SQLSTATEs and codes of what goes on until an operator does something: waiting does not help. */
const LASTING =
  /^(08P01|22023|28...|3D000|42...|3F000|ERR_TLS_.*|ERR_OSSL.*|ERR_SSL_.*|.*CERT.*|UNABLE_TO_.*)$/

export function isLasting(error: unknown): boolean {
  return LASTING.test(codeOf(causeOf(error)))
}

/** What the driver said: our own errors, which hold it, tell nothing of it. */
function causeOf(error: unknown): unknown {
  let cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  while (cause instanceof ServiceError && cause.cause instanceof Error) cause = cause.cause
  return cause
}
