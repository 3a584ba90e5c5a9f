import assert from 'node:assert/strict'
import { copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { ServiceError } from '../../internal/core/service-error.ts'
import { openDatabase } from '../../internal/database/database.ts'
import { explainRefusal } from '../../internal/database/explain-refusal.ts'
import { createAuthority, forPostgres, withPassphrase } from '../support/certificates.ts'
import { newKey, orderBody, postOrder } from '../support/order-client.ts'
import { oncekey } from '../support/run-command.ts'
import { query, startPostgres, temporaryDirectory } from '../support/servers.ts'
import { startService } from '../support/service.ts'
import { until } from '../support/until.ts'

const authority = createAuthority('own CA')
const stranger = createAuthority('another CA')
const own = forPostgres(authority.issue('localhost', 'localhost'))
const client = authority.issue('partner')

const server = await startPostgres([
  'fsync = on',
  'ssl = on',
  `ssl_cert_file = '${own.cert}'`,
  `ssl_key_file = '${own.key}'`,
  `ssl_ca_file = '${authority.ca}'`,
])
after(() => server.stop())
await query(server.url, async (sql) => {
  await sql.unsafe('CREATE ROLE partner SUPERUSER LOGIN')
  const [row] = await sql`SHOW hba_file`
  const rules = [
    'local all postgres trust',
    'hostssl all partner 127.0.0.1/32 cert',
    'host all postgres 127.0.0.1/32 trust',
  ]
  writeFileSync(String(row?.hba_file), `${rules.join('\n')}\n`)
  await sql`SELECT pg_reload_conf()`
})

interface Session {
  encrypted: boolean
  /** The common name of the client certificate; '' without one. */
  shown: string
}

function urlOf(parameters: Record<string, string>, { host = 'localhost', user = 'postgres' } = {}): string {
  const url = Object.assign(new URL(server.url), { hostname: host, username: user })
  url.search = new URLSearchParams(parameters).toString()
  return url.href
}

/** The connection as seen by the server; rejects with the text for the operator. */
async function session(...url: Parameters<typeof urlOf>): Promise<Session> {
  const database = openDatabase(urlOf(...url), { maxConnections: 1 })
  try {
    const [row] = await database.run(
      (sql) => sql`SELECT ssl, client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()`,
    )
    return { encrypted: row?.ssl === true, shown: String(row?.client_dn ?? '').replace('/CN=', '') }
  } catch (error) {
    assert.ok(error instanceof ServiceError && error.code === 'store_unavailable', String(error))
    throw new Error(explainRefusal(error))
  } finally {
    await database.close()
  }
}

await until('the rules are in force', () =>
  session({}, { user: 'partner' }).then(
    () => false,
    (error: unknown) => /no pg_hba.conf entry/.test(String(error)),
  ),
)

const [ca, other] = [authority.ca, stranger.ca]
const IP = { host: '127.0.0.1' }

test('each sslmode encrypts and verifies as docs/engines.md says', async () => {
  const ENCRYPTED = { encrypted: true, shown: '' }
  const PLAIN = { encrypted: false, shown: '' }
  assert.deepEqual(await session({}), PLAIN)
  assert.deepEqual(await session({ sslmode: 'disable' }), PLAIN)
  for (const sslmode of ['allow', 'prefer', 'require', 'no-verify'])
    assert.deepEqual(await session({ sslmode }, IP), ENCRYPTED, sslmode)
  assert.deepEqual(await session({ sslmode: 'require', sslrootcert: ca }, IP), ENCRYPTED)
  assert.deepEqual(await session({ sslmode: 'verify-ca', sslrootcert: ca }, IP), ENCRYPTED)
  assert.deepEqual(await session({ sslmode: 'verify-full', sslrootcert: ca }), ENCRYPTED)
  assert.deepEqual(await session({ ssl: 'true', sslrootcert: ca }), ENCRYPTED)
})

test('a Unix socket is used without TLS with any sslmode, as in libpq', async () => {
  const [row] = await query(server.url, (sql) => sql`SHOW unix_socket_directories`)
  const host = encodeURIComponent(String(row?.unix_socket_directories))
  const { port } = new URL(server.url)
  for (const url of [
    `postgres:///postgres?host=${host}&port=${port}&user=postgres`,
    `postgresql://postgres@/postgres?host=${host}&port=${port}&sslmode=verify-full`,
  ]) {
    const { code, stdout } = await oncekey(['doctor'], { DATABASE_URL: url })
    assert.match(
      stdout,
      /^FAULT migrations: 001_deployment\.sql.* run oncekey migrate$/m,
      `${code} ${stdout}`,
    )
  }
})

test('a server whose certificate cannot be trusted is refused with what to do', async () => {
  const unknown = /: set the CA that signed it: sslrootcert=FILE in DATABASE_URL/
  for (const sslmode of ['require', 'verify-ca', 'verify-full'])
    await assert.rejects(session({ sslmode, sslrootcert: other }), unknown, sslmode)
  for (const parameters of [
    { sslmode: 'verify-ca' },
    { sslmode: 'verify-full' },
    { ssl: 'true' },
    { sslrootcert: 'system' },
    { sslaccept: 'strict' },
  ])
    await assert.rejects(session(parameters), unknown, JSON.stringify(parameters))
  await assert.rejects(
    session({ sslmode: 'verify-full', sslrootcert: ca }, IP),
    /the certificate is for another name: connect by that name, or use sslmode=verify-ca/,
  )
})

test('a server that requires a client certificate gets it, also with an encrypted key', async () => {
  const verified = { sslmode: 'verify-full', sslrootcert: ca }
  const partner = { user: 'partner' }
  await assert.rejects(
    session(verified, partner),
    /connection requires a valid client certificate: .*sslcert=FILE and sslkey=FILE/,
  )
  const shown = { ...verified, sslcert: client.cert, sslkey: client.key }
  assert.deepEqual(await session(shown, partner), { encrypted: true, shown: 'partner' })
  const encrypted = withPassphrase(client, 'open sesame')
  const locked = { ...verified, sslcert: encrypted.cert, sslkey: encrypted.key }
  assert.equal((await session({ ...locked, sslpassword: 'open sesame' }, partner)).shown, 'partner')
  await assert.rejects(session(locked, partner), /: the key of this client cannot be opened: sslpassword=/)
  const theirs = stranger.issue('partner')
  await assert.rejects(
    session({ ...verified, sslcert: theirs.cert, sslkey: theirs.key }, partner),
    /unknown ca: the server does not accept the certificate of this client, .*sslcert/,
  )
})

test('the next connection uses renewed certificates', async (t) => {
  const directory = temporaryDirectory()
  const [sslcert, sslkey] = [join(directory, 'tls.crt'), join(directory, 'tls.key')]
  const renew = (name: string) => {
    const { cert, key } = authority.issue(name)
    copyFileSync(cert, sslcert)
    copyFileSync(key, sslkey)
  }
  renew('before')
  const database = openDatabase(urlOf({ sslmode: 'verify-full', sslrootcert: ca, sslcert, sslkey }), {
    maxConnections: 1,
  })
  t.after(() => database.close())
  const shown = async () => {
    const [row] = await database.run(
      (sql) => sql`SELECT client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()`,
    )
    return row?.client_dn
  }
  assert.equal(await shown(), '/CN=before')
  renew('after')
  await database.run((sql) => sql`SELECT pg_terminate_backend(pg_backend_pid())`).catch(() => {})
  await until('the renewed one is shown', async () => (await shown().catch(() => '')) === '/CN=after')
})

test('a service and its commands work over a verified connection with a client certificate', async (t) => {
  const DATABASE_URL = urlOf(
    { sslmode: 'verify-full', sslrootcert: ca, sslcert: client.cert, sslkey: client.key },
    { user: 'partner' },
  )
  const service = await startService({ DATABASE_URL })
  t.after(() => service.kill())
  assert.equal((await postOrder(service.url, newKey(), orderBody())).status, 201)
  const { code, stdout } = await oncekey(['doctor'], { DATABASE_URL })
  assert.equal(code, 0, stdout)
  const plain = await oncekey(['doctor'], { DATABASE_URL: urlOf({}, { user: 'partner' }) })
  assert.match(plain.stdout, /^FAULT database: .*no encryption: .*add sslmode=verify-full/m)
})
