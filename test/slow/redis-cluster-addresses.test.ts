import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { after, test } from 'node:test'
import { connectRedis } from '../../internal/database/redis.ts'
import { rehearseRedis } from '../../internal/database/rehearse.ts'
import { checkRedis } from '../../src/cli/check-redis.ts'
import { onRedis } from '../support/on-redis.ts'
import { startRedisCluster } from '../support/redis-cluster.ts'
import { connected } from '../support/redis-ready.ts'
import { until } from '../support/until.ts'

const cluster = await startRedisCluster({ masters: 3 })
after(() => cluster.stop())

async function setEach(name: string, value: string): Promise<void> {
  for (const { url } of cluster.masters) await onRedis(url, 'CONFIG', 'SET', name, value)
}

async function announced(): Promise<string> {
  return JSON.stringify(await onRedis(cluster.masters[0]?.url ?? '', 'CLUSTER', 'SLOTS'))
}

async function isUsable(url: string): Promise<void> {
  const redis = await connected(connectRedis(url))
  try {
    await rehearseRedis(redis, 'oncekey:test')
  } finally {
    await redis.close()
  }
}

test('a cluster is reached through an address that no node announces, such as the endpoint of a provider', async (t) => {
  const { port } = new URL(cluster.masters[0]?.url ?? '')
  const endpoint = createServer((client) => {
    const node = connect(Number(port), '127.0.0.1')
    client.pipe(node).pipe(client)
    const end = () => {
      client.destroy()
      node.destroy()
    }
    for (const socket of [client, node]) socket.on('error', end).on('close', end)
  }).listen(0, '127.0.0.1')
  await once(endpoint, 'listening')
  t.after(() => endpoint.close())
  const address = endpoint.address()
  assert.ok(typeof address === 'object' && address !== null)
  const url = `redis://127.0.0.1:${address.port}`
  await isUsable(`${url},${url}`)
})

test('a cluster whose nodes announce host names is reached by address and by name', async () => {
  await setEach('cluster-announce-hostname', 'localhost')
  await setEach('cluster-preferred-endpoint-type', 'hostname')
  // Nodes learn the names with their messages.
  await until('all names are known', async () => (await announced()).split('["localhost",').length === 4)
  await isUsable(cluster.url)
  await isUsable(cluster.url.replaceAll('127.0.0.1', 'localhost'))
})

test('a cluster that announces no address cannot be used; doctor and the error explain it', async () => {
  await setEach('cluster-preferred-endpoint-type', 'unknown-endpoint')
  const causes: (Error | undefined)[] = []
  const redis = connectRedis(cluster.url, { onState: (_, cause) => causes.push(cause) })
  try {
    await until('it says why', () => causes.length > 0)
    assert.match(String(causes[0]), /no node of the cluster can be reached/)
  } finally {
    await redis.close()
  }
  const settings = { redisUrl: cluster.url, redisPrefix: 'test', databaseUrl: undefined, dataDir: '' }
  const faults = (await checkRedis(settings)).filter(({ ok }) => !ok)
  assert.match(
    faults.map(({ check, detail }) => `${check}: ${detail}`).join('\n'),
    /^redis cluster: its nodes announce no address, .*: set cluster-preferred-endpoint-type to ip or hostname$/m,
  )
})
