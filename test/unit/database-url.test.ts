import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  databaseUrl,
  parseDatabaseUrl,
  whereIs,
  withVariables,
} from '../../internal/database/database-url.ts'

const parse = (text: string, env: NodeJS.ProcessEnv = {}) =>
  parseDatabaseUrl(databaseUrl(withVariables(text, env)))
const one = (text: string, env?: NodeJS.ProcessEnv) => {
  const [server, ...more] = parse(text, env)
  assert.equal(more.length, 0)
  if (server === undefined) throw new Error('no server')
  return server
}

test('each host becomes a server with the same credentials, database and parameters', () => {
  const servers = parse('postgres://u:p%2C@a:1,b,[::1]:3/x?sslmode=require&target_session_attrs=primary')
  assert.deepEqual(servers.map(whereIs), ['a:1', 'b:5432', '::1:3'])
  for (const { user, password, database, tls, parameters } of servers) {
    assert.deepEqual([user, password, database, tls.use, parameters], ['u', 'p,', 'x', 'always', {}])
  }
})

test('missing parts of the URL come from the environment, as with libpq', () => {
  const env = { PGUSER: 'me', PGDATABASE: 'mine', PGHOST: 'there', PGPORT: '6432', PGSSLMODE: 'verify-full' }
  const server = one('postgres:///', env)
  assert.deepEqual([server.user, server.database, whereIs(server)], ['me', 'mine', 'there:6432'])
  assert.deepEqual([server.tls.use, server.tls.verify], ['always', 'chain and name'])
  assert.equal(one('postgres://u@h').database, 'u')
})

test('the directory of a Unix socket is given as a parameter or percent-encoded as the host', () => {
  for (const url of [
    'postgres:///db?host=/run/postgresql',
    'postgres://u@/db?host=/run/postgresql&port=5432',
    'postgres://%2Frun%2Fpostgresql/db',
  ]) {
    const server = one(url, { PGUSER: 'u' })
    assert.deepEqual([whereIs(server), server.database], ['/run/postgresql/.s.PGSQL.5432', 'db'], url)
  }
})

test('harmless parameters of libpq and provider tools are ignored', () => {
  for (const parameter of [
    ...['channel_binding=prefer', 'channel_binding=disable', 'gssencmode=prefer', 'keepalives=1'],
    ...['keepalives_idle=30', 'connect_timeout=10', 'schema=public', 'connection_limit=5', 'pool_timeout=0'],
    ...[
      'sslsni=1',
      'load_balance_hosts=random',
      'client_encoding=auto',
      'supa=base-pooler.x',
      'DateStyle=German',
    ],
    ...['target_session_attrs=any', 'target_session_attrs=read-write', 'uselibpqcompat=true', 'max=20'],
  ]) {
    const server = one(`postgres://u@h/x?${parameter}`)
    assert.deepEqual(server.parameters, {}, parameter)
    assert.equal(server.prepare, undefined)
  }
  for (const parameter of ['pgbouncer=true', 'prepare=false', 'statement_cache_size=0']) {
    assert.equal(one(`postgres://u@h/x?${parameter}`).prepare, false, parameter)
  }
})

test('an unknown parameter is a setting of the session', () => {
  const { parameters } = one(
    'postgres://u@h/x?search_path=orders&options=endpoint%3Dep-1&statement_timeout=5s',
  )
  assert.deepEqual(parameters, { search_path: 'orders', options: 'endpoint=ep-1', statement_timeout: '5s' })
})

/** Any existing file. */
const CA = import.meta.filename

test('each sslmode sets encryption and verification', () => {
  const tls = (query: string, env?: NodeJS.ProcessEnv) => {
    const { use, verify } = one(`postgres://u@h/x${query}`, env).tls
    return `${use}, ${verify}`
  }
  assert.equal(tls(''), 'never, nothing')
  assert.equal(tls('?sslmode=disable'), 'never, nothing')
  assert.equal(tls('?sslmode=prefer'), 'if offered, nothing')
  assert.equal(tls('?sslmode=require'), 'always, nothing')
  assert.equal(tls(`?sslmode=require&sslrootcert=${CA}`), 'always, chain')
  assert.equal(tls(`?sslmode=verify-ca&sslrootcert=${CA}`), 'always, chain')
  assert.equal(tls('?sslmode=verify-full'), 'always, chain and name')
  assert.equal(tls('?sslrootcert=system'), 'always, chain and name')
  assert.equal(tls('?ssl=true'), 'always, chain and name')
  assert.equal(tls('?sslmode=require&sslaccept=strict'), 'always, chain and name')
  assert.equal(tls('?sslmode=verify-full&sslnegotiation=direct'), 'direct, chain and name')
})

const FORM = /^must be a URL like postgresql:\/\/user:password@host:5432\/database$/

test('an invalid URL or unsupported parameter is refused with its name', () => {
  for (const [text, reason] of [
    ['postgres://a,b:port/x', FORM],
    ['mysql://a,b/x', FORM],
    ['no', FORM],
    ['', FORM],
    [
      'postgresql+asyncpg://u@h/x',
      /^must start with postgresql:\/\/, without \+asyncpg, which is for another/,
    ],
    ['jdbc:postgresql://h/x', /^must start with postgresql:\/\/, without jdbc:postgresql/],
    ['postgres://u:50%@h/x', /percent-encoded/],
    ['postgres://h/x?sslmode=yes', /^sslmode=yes: must be one of disable, allow, prefer, require/],
    ['postgres://h/x?channel_binding=require', /^channel_binding=require must be left out/],
    ['postgres://h/x?gssencmode=require', /^gssencmode=require must be left out/],
    ['postgres://h/x?schema=orders', /^schema=orders: use search_path=orders/],
    ['postgres://h/x?sslcrl=/x', /^sslcrl must be left out: /],
    ['postgres://h/x?service=prod', /^service must be left out: /],
    ['postgres://h/x?sslnegotiation=direct', /^sslnegotiation=direct needs sslmode=require/],
  ] as const) {
    assert.throws(() => parse(text), { message: reason }, text)
  }
  for (const wish of ['standby', 'read-only', 'prefer-standby']) {
    const expected = {
      message: new RegExp(`^target_session_attrs=${wish}: must be read-write, primary or any`),
    }
    assert.throws(() => parse(`postgres://a,b/x?target_session_attrs=${wish}`), expected)
    assert.throws(() => parse('postgres://a/x', { PGTARGETSESSIONATTRS: wish }), expected)
  }
  assert.throws(() => parse('postgres://h/x?sslrootcert=/nowhere/ca.pem'), /^Error: sslrootcert=\/nowhere/)
  assert.throws(() => parse(`postgres://h/x?sslcert=${CA}`), /sslkey must be set together/)
})
