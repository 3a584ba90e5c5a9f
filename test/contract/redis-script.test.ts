import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { connectRedis } from '../../internal/database/redis.ts'
import { loadScript } from '../../internal/database/redis-script.ts'
import { FaultProxy } from '../../src/tools/faults/fault-proxy.ts'
import { startOwnRedis } from '../support/own-redis.ts'
import { connected } from '../support/redis-ready.ts'
import { until } from '../support/until.ts'

const { server, redis, raw } = await startOwnRedis()
const directory = mkdtempSync(join(tmpdir(), 'oncekey-script-'))
after(() => rmSync(directory, { recursive: true }))

function scriptOf(lua: string) {
  const file = join(directory, `${randomBytes(4).toString('hex')}.lua`)
  writeFileSync(file, `return function(KEYS, ARGV) ${lua} end`)
  return loadScript(pathToFileURL(file))
}

/** The number of script commands so far. */
async function commands(): Promise<number> {
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(await raw.info('commandstats'))?.[1])
}

const key = () => `oncekey-test:${randomBytes(6).toString('hex')}`

test('concurrent calls share a command, each with its own keys, arguments and response', async () => {
  const script = scriptOf(`return {#KEYS, #ARGV, KEYS[1] or '', bytes(ARGV[#ARGV] or '')}`)
  const binary = Buffer.from([0, 255, 10, 13])
  await redis.run(script, [], [])
  const before = await commands()
  const replies = await Promise.all([
    redis.run(script, ['a', 'b'], ['x', 7]),
    redis.run(script, [], []),
    redis.run(script, ['c'], ['"é\u0000', binary]),
    redis.run(script, ['d'], [Buffer.from('plain')]),
  ])
  assert.equal((await commands()) - before, 1)
  assert.deepEqual(replies, [
    [2, 2, 'a', Buffer.from('7')],
    [0, 0, '', Buffer.alloc(0)],
    [1, 2, 'c', binary],
    [1, 1, 'd', Buffer.from('plain')],
  ])
})

test('a call whose key holds a value of another type fails alone', async () => {
  const push = scriptOf(`return redis.call('RPUSH', KEYS[1], ARGV[1])`)
  const set = scriptOf(`redis.call('SET', KEYS[1], 'text', 'EX', 60) return 'ok'`)
  const [wrong, right] = [key(), key()]
  await redis.run(set, [wrong], [])
  const [failed, pushed] = await Promise.allSettled([
    redis.run(push, [wrong], ['1']),
    redis.run(push, [right], ['1']),
  ])
  assert.equal(failed.status, 'rejected')
  assert.match(String(failed.status === 'rejected' && failed.reason), /WRONGTYPE/)
  assert.deepEqual(pushed, { status: 'fulfilled', value: 1 })
})

test('the reply of another command is refused, and the connection is replaced', async (t) => {
  const wire = await new FaultProxy({
    target: { host: '127.0.0.1', port: Number(new URL(server.url).port) },
  }).start()
  const through = await connected(connectRedis(`redis://127.0.0.1:${wire.port}`))
  t.after(async () => {
    await through.close()
    await wire.close()
  })
  const echo = scriptOf('return KEYS[1]')
  const ask = async (name: string) => String(await through.run(echo, [name], []))
  await ask('first')
  wire.apply({ blackhole: { directions: 'down', afterBytes: 0 } })
  const lost = ask('lost')
  await until('the reply is lost', () => wire.stats().swallowed.down > 0)
  wire.apply({})
  const responses = await Promise.allSettled([lost, ask('behind it')])
  assert.deepEqual(
    responses.map((response) => (response.status === 'rejected' ? response.reason.code : response.value)),
    ['store_unavailable', 'store_unavailable'],
  )
  await connected(through)
  assert.equal(await ask('afterwards'), 'afterwards')
  assert.equal(wire.stats().connections, 2)
})
