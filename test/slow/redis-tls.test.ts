import assert from 'node:assert/strict'
import { copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { explainRefusal } from '../../internal/database/explain-refusal.ts'
import { connectRedis } from '../../internal/database/redis.ts'
import type { RedisTls } from '../../internal/database/redis-client.ts'
import { rehearseRedis } from '../../internal/database/rehearse.ts'
import { createAuthority } from '../support/certificates.ts'
import { onRedis } from '../support/on-redis.ts'
import { newKey, orderBody, postOrder } from '../support/order-client.ts'
import { portWithBus } from '../support/redis-cluster.ts'
import { connected } from '../support/redis-ready.ts'
import { oncekey } from '../support/run-command.ts'
import {
  createDatabase,
  freePort,
  startRedis,
  startRedisProgram,
  temporaryDirectory,
} from '../support/servers.ts'
import { startService } from '../support/service.ts'
import { until } from '../support/until.ts'

const authority = createAuthority('own CA')
const stranger = createAuthority('another CA')
const own = authority.issue('localhost', 'localhost')
const client = authority.issue('partner')
const tlsPort = await freePort()
const encrypted = (port: number) => [
  ...['--tls-port', `${port}`, '--tls-cert-file', own.cert, '--tls-key-file', own.key],
  ...['--tls-ca-cert-file', authority.ca, '--tls-auth-clients', 'yes'],
]
const server = await startRedis({ settings: encrypted(tlsPort) })
after(() => server.stop())
const url = `rediss://localhost:${tlsPort}`
const files: RedisTls = { ca: authority.ca, ...client }
const settings = {
  REDIS_URL: url,
  REDIS_TLS_CA: authority.ca,
  REDIS_TLS_CERT: client.cert,
  REDIS_TLS_KEY: client.key,
}

/** The reason for a missing connection, as shown to the operator. */
async function refusal(address: string, tls: RedisTls): Promise<string> {
  let why = ''
  const redis = connectRedis(address, { tls, onState: (_, cause) => (why = explainRefusal(cause)) })
  try {
    await until('it says why', () => why !== '')
    return why
  } finally {
    await redis.close()
  }
}

test('a Redis that requires a client certificate gets it, over a verified connection', async (t) => {
  const redis = await connected(connectRedis(url, { tls: files }))
  t.after(() => redis.close())
  await rehearseRedis(redis, 'oncekey:test')
})

test('a failed connection is reported with the reason and what to do', async () => {
  const unknown = /self-signed certificate in certificate chain: set the CA .*REDIS_TLS_CA/
  assert.match(await refusal(url, {}), unknown)
  assert.match(await refusal(url, { ca: stranger.ca, ...client }), unknown)
  assert.match(
    await refusal(url.replace('localhost', '127.0.0.1'), files),
    /for another name: connect by that name/,
  )
  const rejected = /(alert|ECONNRESET|EPIPE).*: .*certificate of (this|a) client.*REDIS_TLS_CERT/
  assert.match(await refusal(url, { ca: authority.ca }), rejected)
  assert.match(await refusal(url, { ca: authority.ca, ...stranger.issue('partner') }), rejected)
})

test('the next connection uses renewed certificates', async (t) => {
  const directory = temporaryDirectory()
  const renewed = { cert: join(directory, 'tls.crt'), key: join(directory, 'tls.key') }
  const put = (issuer: typeof authority) => {
    const { cert, key } = issuer.issue('partner')
    copyFileSync(cert, renewed.cert)
    copyFileSync(key, renewed.key)
  }
  put(authority)
  let ready = 0
  const redis = connectRedis(url, {
    tls: { ca: authority.ca, ...renewed },
    onState: (state) => state === 'ready' && ready++,
  })
  t.after(() => redis.close())
  await until('it is connected', () => ready === 1)
  put(stranger)
  await onRedis(server.url, 'CLIENT', 'KILL', 'TYPE', 'normal')
  await until('the other one is refused', () =>
    redis.ping().then(
      () => false,
      () => true,
    ),
  )
  put(authority)
  await until('it is connected again', () => ready === 2)
})

test('a cluster is reached over TLS by name, and doctor reports for each node why it is not', async (t) => {
  const port = await freePort()
  const node = await startRedis({
    port: await portWithBus(),
    settings: [
      ...[...encrypted(port), '--cluster-enabled', 'yes', '--tls-cluster', 'yes'],
      ...['--cluster-announce-hostname', 'localhost', '--cluster-preferred-endpoint-type', 'hostname'],
    ],
  })
  t.after(() => node.stop())
  await onRedis(node.url, 'CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
  await until('it serves', async () =>
    String(await onRedis(node.url, 'CLUSTER', 'INFO')).includes('cluster_state:ok'),
  )
  const address = `rediss://localhost:${port}`
  const cluster = await connected(connectRedis(`${address},${address}`, { tls: files }))
  await rehearseRedis(cluster, 'oncekey:test')
  await cluster.close()
  const { stdout } = await oncekey(['doctor'], {
    ...settings,
    REDIS_URL: `${address},${address}`,
    REDIS_TLS_CA: stranger.ca,
  })
  assert.match(stdout, /^FAULT redis cluster: localhost:\d+: self-signed .*REDIS_TLS_CA/m)
})

test('sentinels and their primary are reached over TLS', async (t) => {
  const sentinelPort = await freePort()
  const sentinel = await startRedisProgram(await freePort(), (directory, port) => {
    const file = join(directory, 'sentinel.conf')
    const lines = [
      ...[`port ${port}`, `tls-port ${sentinelPort}`, 'bind 127.0.0.1', `dir ${directory}`],
      ...[`tls-cert-file ${own.cert}`, `tls-key-file ${own.key}`, `tls-ca-cert-file ${authority.ca}`],
      ...['tls-replication yes', 'sentinel resolve-hostnames yes', 'sentinel announce-hostnames yes'],
      `sentinel monitor orders localhost ${tlsPort} 1`,
    ]
    writeFileSync(file, `${lines.join('\n')}\n`)
    return [file, '--sentinel']
  })
  t.after(() => sentinel.stop())
  const redis = await connected(
    connectRedis(`rediss+sentinel://localhost:${sentinelPort}/orders`, { tls: files }),
  )
  t.after(() => redis.close())
  await rehearseRedis(redis, 'oncekey:test')
})

test('a service and its commands work with certificates, and inconsistent settings are refused', async (t) => {
  const database = await createDatabase()
  const all = { ...settings, DATABASE_URL: database.url }
  const service = await startService(all)
  t.after(async () => {
    await service.kill()
    await database.drop()
  })
  const key = newKey()
  assert.equal((await postOrder(service.url, key, orderBody())).status, 201)
  const { stdout } = await oncekey(['doctor'], all)
  assert.match(stdout, /^ok {4}redis scripts: those of an order run$/m)
  assert.match((await oncekey(['keys', 'list'], all)).stdout, new RegExp(key))
  const { REDIS_TLS_CERT: _, ...uncertified } = all
  const faults = await oncekey(['doctor'], uncertified)
  assert.match(faults.stdout, /^FAULT settings: REDIS_TLS_CERT and REDIS_TLS_KEY go together/m)
  const plain = await oncekey(['doctor'], { ...all, REDIS_URL: server.url })
  assert.match(plain.stdout, /^FAULT settings: REDIS_TLS_CA and .* must begin with rediss:/m)
  const bare = await oncekey(['doctor'], { DATABASE_URL: database.url, REDIS_URL: url })
  assert.match(bare.stdout, /^FAULT redis: REDIS_URL: self-signed .*REDIS_TLS_CA/m)
})
