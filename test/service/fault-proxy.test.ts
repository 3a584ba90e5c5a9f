import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { FaultProxy, type FaultProxyOptions } from '../../src/tools/faults/fault-proxy.ts'
import type { Faults, Struck } from '../../src/tools/faults/faults.ts'
import { oncekey } from '../support/run-command.ts'
import { startService } from '../support/service.ts'
import { until } from '../support/until.ts'

/** One end of a connection, with what it has met so far. */
class End {
  readonly socket: Socket
  bytes = Buffer.alloc(0)
  ended = false
  closed = false
  error: string | undefined

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk) => (this.bytes = Buffer.concat([this.bytes, chunk])))
    socket.on('end', () => (this.ended = true))
    socket.on('close', () => (this.closed = true))
    socket.on('error', (error: Error & { code?: string }) => (this.error = error.code))
  }

  async has(count: number): Promise<void> {
    await until(`${count} bytes, there are ${this.bytes.length}`, () => this.bytes.length >= count)
  }

  async gone(): Promise<void> {
    await until('the end of the connection', () => this.closed || this.ended)
  }
}

interface Wired {
  proxy: FaultProxy
  struck: Struck[]
  /** A new connection through the proxy. `far` is the target's end of it. */
  dial(): Promise<{ near: End; far: End }>
  /** Of a connection that the target does not get to see. */
  dialNear(): End
  seen: End[]
}

/** A target that listens, a fault proxy before it, and both ends of each connection. */
async function wire(
  t: TestContext,
  faults: Faults,
  options: Partial<FaultProxyOptions> = {},
): Promise<Wired> {
  const seen: End[] = []
  const struck: Struck[] = []
  const server = createServer({ allowHalfOpen: true }, (socket) => seen.push(new End(socket)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  const proxy = new FaultProxy({
    target: { host: '127.0.0.1', port: address.port },
    onStruck: (one) => struck.push(one),
    ...options,
  })
  proxy.set(faults)
  await proxy.start()
  const near: End[] = []
  t.after(async () => {
    for (const { socket } of [...near, ...seen]) socket.destroy()
    await proxy.close()
    server.close()
  })
  const dialNear = () => {
    const one = new End(connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true }))
    near.push(one)
    return one
  }
  return {
    proxy,
    struck,
    seen,
    dialNear,
    async dial() {
      const before = seen.length
      const one = dialNear()
      await until('the target to see the connection', () => seen.length > before)
      const far = seen[before]
      assert.ok(far)
      return { near: one, far }
    },
  }
}

/** `count` bytes, each of them different from its neighbours. */
function pattern(count: number): Buffer {
  return Buffer.from(Array.from({ length: count }, (_, n) => (n * 7) % 251))
}

test('without faults every byte passes in both directions, and an end in order is one', async (t) => {
  const { proxy, dial, struck } = await wire(t, {})
  const { near, far } = await dial()
  const bytes = pattern(3_000_000)
  near.socket.end(bytes)
  await far.has(bytes.length)
  await until('the end', () => far.ended)
  assert.ok(far.bytes.equals(bytes))
  assert.equal(near.ended, false, 'the other direction is still open')
  far.socket.end(bytes.subarray(1))
  await near.gone()
  assert.ok(near.bytes.equals(bytes.subarray(1)))
  await until('the connection to be over', () => proxy.stats().open === 0)
  const { connections, passed, swallowed, targetErrors } = proxy.stats()
  assert.deepEqual(
    { connections, passed, swallowed, targetErrors, struck },
    {
      connections: 1,
      targetErrors: 0,
      struck: [],
      passed: { up: 3_000_000, down: 2_999_999 },
      swallowed: { up: 0, down: 0 },
    },
  )
})

for (const reset of [false, true]) {
  const how = reset ? 'an RST' : 'an end in order'
  for (const direction of ['up', 'down'] as const) {
    test(`a cut ${direction} lets exactly its bytes pass, then both sides see ${how}`, async (t) => {
      const cut = { directions: direction, afterBytes: 1_234, reset }
      const { proxy, dial, struck } = await wire(t, { cut })
      const { near, far } = await dial()
      const [source, sink] = direction === 'up' ? [near, far] : [far, near]
      source.socket.write(pattern(1_234))
      await sink.has(1_234)
      assert.equal(sink.ended || sink.closed, false, 'so far nothing is wrong')
      source.socket.write(pattern(5_000))
      await Promise.all([near.gone(), far.gone()])
      assert.ok(sink.bytes.equals(pattern(1_234)))
      await until('both ends to know', () => !reset || (near.closed && far.closed))
      assert.deepEqual([near.error, far.error], reset ? ['ECONNRESET', 'ECONNRESET'] : [undefined, undefined])
      assert.deepEqual(struck, [{ connection: 1, kind: reset ? 'reset' : 'cut', direction, bytes: 1_234 }])
      assert.deepEqual(
        { passed: proxy.stats().passed[direction], swallowed: proxy.stats().swallowed[direction] },
        { passed: 1_234, swallowed: 5_000 },
      )
    })
  }
}

test('a cut in one direction does not count the other, and one in both counts each by itself', async (t) => {
  const { dial } = await wire(t, { cut: { directions: 'both', afterBytes: 100, reset: false } })
  const { near, far } = await dial()
  near.socket.write(pattern(100))
  far.socket.write(pattern(100))
  await Promise.all([near.has(100), far.has(100)])
  far.socket.write('x')
  await Promise.all([near.gone(), far.gone()])
  assert.equal(near.bytes.length, 100)
})

test('a cut after 0 bytes down: the target gets the request, and nothing of its response arrives', async (t) => {
  const { dial } = await wire(t, { cut: { directions: 'down', afterBytes: 0, reset: true } })
  const { near, far } = await dial()
  near.socket.write('request')
  await far.has(7)
  far.socket.write('answer')
  await until('the reset', () => near.closed)
  assert.deepEqual([near.bytes.length, near.error], [0, 'ECONNRESET'])
})

test('a blackhole swallows one direction, its end too, while the other goes on', async (t) => {
  const { proxy, dial, struck } = await wire(t, { blackhole: { directions: 'up', afterBytes: 10 } })
  const { near, far } = await dial()
  near.socket.write(pattern(500))
  await far.has(10)
  near.socket.end('more')
  await until('the rest to be swallowed', () => proxy.stats().swallowed.up === 494)
  far.socket.write('still here')
  await near.has(10)
  assert.deepEqual([far.bytes.length, far.ended, far.closed], [10, false, false])
  assert.deepEqual(struck, [{ connection: 1, kind: 'blackhole', direction: 'up', bytes: 10 }])
  // A peer that goes away altogether is not heard of either: the proxy has seen it when two round trips are over.
  near.socket.resetAndDestroy()
  await until('it to be gone', () => near.closed)
  far.socket.write('anybody?')
  for (let n = 0; n < 2; n++) {
    const other = await dial()
    other.far.socket.write('pong')
    await other.near.has(4)
  }
  assert.deepEqual([far.ended, far.closed], [false, false])
})

test('of several faults the nearest strikes first', async (t) => {
  const { dial, struck } = await wire(t, {
    cut: { directions: 'down', afterBytes: 5, reset: false },
    blackhole: { directions: 'both', afterBytes: 50 },
  })
  const { near, far } = await dial()
  far.socket.write(pattern(100))
  await near.gone()
  assert.equal(near.bytes.length, 5)
  assert.deepEqual(
    struck.map(({ kind, bytes }) => [kind, bytes]),
    [['cut', 5]],
  )
})

test('a half-close ends one direction in order, and the other goes on', async (t) => {
  const { proxy, dial } = await wire(t, { halfClose: { direction: 'down', afterBytes: 3 } })
  const { near, far } = await dial()
  far.socket.write('abcdef')
  await until('the end', () => near.ended)
  assert.equal(near.bytes.toString(), 'abc')
  near.socket.write('question')
  await far.has(8)
  assert.equal(proxy.stats().swallowed.down, 3)
})

test('latency delays each direction and keeps the order of the bytes', async (t) => {
  const { dial, struck } = await wire(t, { latencyMs: 150, jitterMs: 100 })
  const { near, far } = await dial()
  const startedMs = performance.now()
  for (let n = 0; n < 10; n++) {
    near.socket.write(`${n},`)
    await new Promise((resolve) => setImmediate(resolve))
  }
  await far.has(20)
  const upMs = performance.now() - startedMs
  assert.equal(far.bytes.toString(), '0,1,2,3,4,5,6,7,8,9,')
  far.socket.write('back')
  await near.has(4)
  assert.ok(upMs >= 145 && performance.now() - startedMs >= 2 * 145, `${upMs} ms`)
  assert.deepEqual(
    struck.map(({ kind, direction }) => [kind, direction]),
    [
      ['latency', 'up'],
      ['latency', 'down'],
    ],
  )
})

test('a limited rate takes its time, and passes every byte', async (t) => {
  const { dial, proxy } = await wire(t, { bytesPerSecond: 20_000 })
  const { near, far } = await dial()
  const startedMs = performance.now()
  near.socket.write(pattern(10_000))
  await far.has(10_000)
  // The last piece is waited for after it has passed.
  assert.ok(performance.now() - startedMs >= 400, `${performance.now() - startedMs} ms`)
  assert.ok(far.bytes.equals(pattern(10_000)))
  assert.equal(proxy.stats().struck.rate, 1)
})

test('a refused connection is reset and the target does not see it; a closed port refuses by itself', async (t) => {
  const { proxy, dial, dialNear, seen } = await wire(t, { refuse: true })
  const refused = dialNear()
  await until('the reset', () => refused.closed)
  assert.equal(refused.error, 'ECONNRESET')
  proxy.set({})
  const { near, far } = await dial()
  proxy.stopListening()
  const turnedAway = dialNear()
  await until('the refusal', () => turnedAway.closed)
  assert.equal(turnedAway.error, 'ECONNREFUSED')
  near.socket.write('hello')
  await far.has(5)
  const { port } = proxy
  await proxy.start()
  assert.equal(proxy.port, port)
  await dial()
  assert.equal(seen.length, 2)
})

test('faults of open connections can be changed and healed, and all of them cut', async (t) => {
  const { proxy, dial } = await wire(t, {})
  const { near, far } = await dial()
  near.socket.write('one ')
  await far.has(4)
  proxy.apply({ blackhole: { directions: 'up', afterBytes: 2 } })
  near.socket.write('two ')
  await until('it to be swallowed', () => proxy.stats().swallowed.up === 2)
  proxy.apply({})
  near.socket.write('three')
  await far.has(11)
  assert.equal(far.bytes.toString(), 'one twthree')
  proxy.cutAll('reset')
  await until('both ends to know', () => near.closed && far.closed)
  assert.deepEqual([near.error, far.error], ['ECONNRESET', 'ECONNRESET'])
})

test('bytes of a held direction pass when it is released, also after their sender has gone away', async (t) => {
  const { proxy, dial, struck } = await wire(t, {})
  const { near, far } = await dial()
  proxy.apply({ hold: { directions: 'up' } })
  near.socket.write('late')
  far.socket.write('down')
  await near.has(4)
  await until('it to be held', () => struck.some(({ kind }) => kind === 'hold'))
  assert.equal(far.bytes.length, 0)
  near.socket.resetAndDestroy()
  await until('the sender to be gone', () => near.closed)
  assert.equal(far.closed, false)
  proxy.apply({})
  await far.has(4)
  assert.equal(far.bytes.toString(), 'late')
  await far.gone()
})

test('a reset on one side is a reset on the other, and a target that is away ends the connection', async (t) => {
  const { proxy, dial, dialNear } = await wire(t, {})
  const { near, far } = await dial()
  far.socket.resetAndDestroy()
  await until('the reset', () => near.closed)
  assert.equal(near.error, 'ECONNRESET')
  const nowhere = await wire(t, {}, { target: { host: '127.0.0.1', port: 1 } })
  const lost = nowhere.dialNear()
  await until('the end', () => lost.closed)
  assert.equal(nowhere.proxy.stats().targetErrors, 1)
  await until('nothing to be left', () => proxy.stats().open + nowhere.proxy.stats().open === 0)
  dialNear().socket.destroy()
})

test('the same seed strikes the same connections, another one others', async (t) => {
  const chosen = async (seed: string) => {
    const { proxy, dialNear, struck } = await wire(t, {}, { seed })
    proxy.set((_n, random) => (random() < 0.5 ? { refuse: true } : {}))
    const ends = Array.from({ length: 24 }, dialNear)
    await until('all of them', () => proxy.stats().connections === 24)
    for (const { socket } of ends) socket.destroy()
    return struck.map(({ connection }) => connection).join()
  }
  const [one, again, other] = [await chosen('a'), await chosen('a'), await chosen('b')]
  assert.equal(one, again)
  assert.notEqual(one, other)
  assert.ok(one.split(',').length >= 4 && one.split(',').length <= 20, one)
})

test('the command strikes every second connection, says so, and stops with its sums', async (t) => {
  const backend = await startService({}, ['backend', '--port', '0'])
  t.after(() => backend.stop())
  const faults = '--cut-after 0 --cut-direction down --reset --every 2'.split(' ')
  const proxy = await startService({}, [
    'faults',
    '--listen',
    '0',
    '--target',
    `127.0.0.1:${backend.port}`,
    ...faults,
  ])
  const call = () => fetch(proxy.url, { headers: { 'idempotency-key': 'k', connection: 'close' } })
  assert.equal((await call()).status, 200)
  await assert.rejects(call())
  assert.equal((await call()).status, 200)
  const count = await fetch(`${backend.url}/_count?key=k`)
  assert.deepEqual(await count.json(), { key: 'k', runs: 3 }, 'the backend has done what nobody heard of')
  assert.deepEqual(await proxy.stop(), { code: 0, signal: null })
  assert.match(proxy.log(), /^connection 2: reset down, after 0 bytes$/m)
  assert.match(proxy.log(), /^3 connections, 0 not taken by the target; faults: reset 1$/m)
})

test('the command says in one line what is wrong with its options', async () => {
  const { code, stdout, stderr } = await oncekey(['faults', '--listen', '0'])
  assert.deepEqual([code, stdout, stderr], [1, '', 'oncekey faults: --target is needed; see --help\n'])
})
