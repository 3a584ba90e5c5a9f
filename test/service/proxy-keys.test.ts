import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { newKey, type Reply, type SendOptions, send } from '../support/order-client.ts'
import { startBackend, startProxy, type TestBackend } from '../support/proxy.ts'
import { freePort } from '../support/servers.ts'
import type { Service } from '../support/service.ts'
import { until } from '../support/until.ts'

const KIB = 1024

describe('a request with a key', () => {
  const closing: (() => unknown)[] = []
  const t = { after: (close: () => unknown) => void closing.push(close) }
  let backend: TestBackend
  let proxy: Service
  let other: Service
  const waiting: ServerResponse[] = []

  before(async () => {
    backend = await startBackend(t, (res, { target, body }) => {
      const run = backend.reached.length
      const [path = '', query = ''] = target.split('?')
      if (path === '/wait') return void waiting.push(res)
      if (path === '/status') {
        const outcome = target.includes('none') ? { 'Idempotency-Outcome': 'none' } : {}
        return void res
          .writeHead(Number.parseInt(query, 10), { 'X-Run': String(run), ...outcome })
          .end(`run ${run}`)
      }
      if (path === '/big') {
        res.writeHead(200, target.includes('declared') ? { 'Content-Length': 64 * KIB } : {})
        for (let n = 0; n < 64; n++) res.write(Buffer.alloc(KIB, 'x'))
        return void res.end()
      }
      if (path === '/events') {
        res.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8' }).write('data: 1\n\n')
        return void waiting.push(res)
      }
      res.writeHead(201, [
        ...[
          'Content-Type',
          'application/octet-stream',
          'Set-Cookie',
          `run=${run}`,
          'ETag',
          '"e"',
          'X-Run',
          `${run}`,
        ],
        ...['Link', '<a>', 'Link', '<b>', 'Content-Encoding', 'x-none', 'Cache-Control', 'no-store'],
      ])
      res.end(Buffer.concat([Buffer.from([0, 255, 254]), Buffer.from(body)]))
    })
    const name = ['--name', `keys-${randomBytes(4).toString('hex')}`]
    const settings = { IDEMPOTENCY_LEASE: '600ms', MAX_RESPONSE_BYTES: '32768', MAX_BODY_BYTES: '1000' }
    proxy = await startProxy(t, backend.url, [...name, '--require-key', 'PATCH'], settings)
    other = await startProxy(t, backend.url, name, settings)
  })
  after(() => Promise.all(closing.map((close) => close())))

  const post = (key: string, path = '/pay', options: SendOptions = {}): Promise<Reply> =>
    send(proxy.url + path, {
      method: 'POST',
      body: 'x',
      ...options,
      headers: { 'Idempotency-Key': key, ...options.headers },
    })

  test('reaches the backend once; its response is replayed, on any node, without what was of the moment', async () => {
    const key = newKey()
    const first = await post(key)
    assert.equal(first.status, 201)
    assert.equal(first.headers['idempotent-replayed'], undefined)
    assert.match(String(first.headers['set-cookie']), /^run=/)
    const elsewhere = await send(`${other.url}/pay`, {
      method: 'POST',
      body: 'x',
      headers: { 'X-Idempotency-Key': `"${key}"` },
    })
    for (const again of [await post(key), elsewhere]) {
      assert.equal(again.headers['idempotent-replayed'], 'true')
      assert.equal(again.status, 201)
      assert.deepEqual(again.body, first.body)
      assert.deepEqual(again.body.subarray(0, 3), Buffer.from([0, 255, 254]))
      for (const name of ['content-type', 'etag', 'x-run', 'link', 'content-encoding', 'cache-control']) {
        assert.equal(again.headers[name], first.headers[name], name)
      }
      assert.equal(again.headers.link, '<a>, <b>')
      assert.equal(again.headers['set-cookie'], undefined)
    }
    assert.equal(backend.runs(key), 1)
  })

  test('a compressed body passes as it is', async () => {
    const key = newKey()
    const headers = { 'Content-Encoding': 'gzip' }
    assert.equal((await post(key, '/pay', { headers, body: Buffer.from([31, 139, 0, 255]) })).status, 201)
    assert.deepEqual(backend.reached.at(-1)?.values('content-encoding'), ['gzip'])
  })

  test('a response without a type is replayed without one', async () => {
    const key = newKey()
    for (const { headers } of [await post(key, '/status?200'), await post(key, '/status?200')]) {
      assert.equal(headers['content-type'], undefined)
    }
  })

  test('another body, query, Authorization or X-Api-Key with the key is refused; another path or method is another key', async () => {
    const key = newKey()
    await post(key, '/pay?a')
    for (const reply of [
      await post(key, '/pay?a', { body: 'y' }),
      await post(key, '/pay?b'),
      await post(key, '/pay?a', { headers: { Authorization: 'Bearer of somebody else' } }),
      await post(key, '/pay?a', { headers: { 'X-Api-Key': 'of somebody else' } }),
    ]) {
      assert.equal(reply.code, 'idempotency_key_reused')
    }
    assert.equal(backend.runs(key), 1)
    assert.equal((await post(key, '/pay/2')).status, 201)
    assert.equal((await post(key, '/pay?a', { method: 'PUT' })).status, 201)
    assert.equal(backend.runs(key), 3)
  })

  test('two keys, or one that is none, are refused; so is a missing one where it is required', async () => {
    const seen = backend.reached.length
    const both = { 'Idempotency-Key': 'a', 'X-Idempotency-Key': 'b' }
    for (const headers of [
      both,
      { 'Idempotency-Key': ['a', 'a'] },
      { 'X-Idempotency-Key': '' },
      { 'Idempotency-Key': 'a, b' },
    ]) {
      const reply = await send(`${proxy.url}/pay`, { method: 'POST', headers, body: 'x' })
      assert.equal(`${reply.status} ${reply.code}`, '400 idempotency_key_invalid')
    }
    const missing = await send(`${proxy.url}/pay`, { method: 'PATCH', body: 'x' })
    assert.equal(`${missing.status} ${missing.code}`, '400 idempotency_key_missing')
    assert.equal(backend.reached.length, seen)
    const same = { 'Idempotency-Key': newKey() }
    const twice = { ...same, 'X-Idempotency-Key': same['Idempotency-Key'] }
    assert.equal((await send(`${proxy.url}/pay`, { method: 'POST', headers: twice, body: 'x' })).status, 201)
  })

  test('100 copies over two nodes reach the backend once and all get its response', async () => {
    const key = newKey()
    const replies = await Promise.all(
      Array.from({ length: 100 }, async (_, n) => {
        for (;;) {
          const reply = await send(`${(n % 2 === 0 ? proxy : other).url}/pay`, {
            method: 'POST',
            body: 'x',
            headers: { 'Idempotency-Key': key },
          })
          if (reply.code !== 'request_in_progress') return reply
          await new Promise((resolve) => setTimeout(resolve, 50))
        }
      }),
    )
    assert.equal(backend.runs(key), 1)
    assert.deepEqual(new Set(replies.map(({ status, body }) => `${status} ${body.toString('hex')}`)).size, 1)
  })

  test('a response that takes longer than the lease is waited for, and no copy is let in meanwhile', async () => {
    const key = newKey()
    const first = post(key, '/wait')
    await until('the backend has it', () => waiting.length === 1)
    const untilMs = Date.now() + 2_000
    while (Date.now() < untilMs) {
      assert.equal((await send(`${other.url}/wait`, copyOf(key))).code, 'request_in_progress')
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    waiting.pop()?.end('late')
    assert.equal((await first).body.toString(), 'late')
    const again = await send(`${other.url}/wait`, copyOf(key))
    assert.equal(`${again.headers['idempotent-replayed']} ${again.body}`, 'true late')
    assert.equal(backend.runs(key), 1)
  })

  test('a client that leaves does not stop it: the retry has the response', async () => {
    const key = newKey()
    const socket = connect(proxy.port, '127.0.0.1')
    socket.write(`POST /wait HTTP/1.1\r\nHost: x\r\nIdempotency-Key: ${key}\r\nContent-Length: 1\r\n\r\nx`)
    await until('the backend has it', () => waiting.length === 1)
    socket.destroy()
    await new Promise((resolve) => setTimeout(resolve, 100))
    waiting.pop()?.end('done')
    await until(
      'it is recorded',
      async () => (await post(key, '/wait')).headers['idempotent-replayed'] === 'true',
    )
    assert.equal(backend.runs(key), 1)
  })

  test('a body beyond MAX_BODY_BYTES is refused; without a key it passes', async () => {
    const body = 'x'.repeat(1_001)
    const key = newKey()
    assert.equal((await post(key, '/pay', { body })).code, 'body_too_large')
    assert.equal(backend.runs(key), 0)
    assert.equal((await send(`${proxy.url}/pay`, { method: 'POST', body })).status, 201)
  })

  for (const path of ['/big?declared', '/big']) {
    test(`a response beyond MAX_RESPONSE_BYTES (${path}) is delivered whole, cannot be replayed, and is not run again`, async () => {
      const key = newKey()
      const first = await post(key, path)
      assert.equal(`${first.status} ${first.body.length}`, `200 ${64 * KIB}`)
      const again = await post(key, path)
      assert.equal(`${again.status} ${again.code}`, '409 outcome_unknown')
      assert.equal(backend.runs(key), 1)
    })
  }

  test('an event stream comes as it happens; it cannot be replayed, and is not run again', async () => {
    const key = newKey()
    const answered = await fetch(`${proxy.url}/events`, {
      method: 'POST',
      body: 'x',
      headers: { 'Idempotency-Key': key },
    })
    const reader = answered.body?.getReader()
    const { value } = (await reader?.read()) ?? {}
    assert.equal(Buffer.from(value ?? []).toString(), 'data: 1\n\n')
    assert.equal(answered.headers.get('content-type'), 'text/event-stream; charset=utf-8')
    assert.equal((await post(key, '/events')).code, 'outcome_unknown')
    waiting.pop()?.end('data: 2\n\n')
    assert.equal(Buffer.from((await reader?.read())?.value ?? []).toString(), 'data: 2\n\n')
    assert.equal(backend.runs(key), 1)
  })

  for (const [status, runs] of [
    ...([
      [200, 1],
      [204, 1],
      [302, 1],
      [402, 1],
      [404, 1],
      [409, 1],
      [422, 1],
      [500, 1],
      [410, 1],
      [412, 1],
      [501, 1],
    ] as const),
    ...([
      [400, 2],
      [401, 2],
      [403, 2],
      [408, 2],
      [413, 2],
      [415, 2],
      [421, 2],
      [425, 2],
      [429, 2],
      [503, 2],
    ] as const),
  ]) {
    test(`a retry after ${status} reaches the backend ${runs === 1 ? 'no more' : 'again'}`, async () => {
      const key = newKey()
      const first = await post(key, `/status?${status}`)
      const again = await post(key, `/status?${status}`)
      assert.deepEqual([first.status, again.status, backend.runs(key)], [status, status, runs])
      assert.equal(again.headers['idempotent-replayed'], runs === 1 ? 'true' : undefined)
    })
  }

  test('"Idempotency-Outcome: none" frees the key, whatever the status', async () => {
    for (const status of [200, 500]) {
      const key = newKey()
      const first = await post(key, `/status?${status}&none`)
      assert.equal(first.status, status)
      assert.equal(first.headers['idempotency-outcome'], undefined)
      await post(key, `/status?${status}&none`)
      assert.equal(backend.runs(key), 2)
    }
  })

  test('metrics tell what became of requests, without paths', async () => {
    const text = (await send(`${proxy.url}/.oncekey/metrics`)).body.toString()
    assert.match(text, /^proxy_upstream_duration_seconds_count\{outcome="2xx"\} [1-9]/m)
    assert.match(text, /^idempotent_replays_total [1-9]/m)
    assert.match(text, /^concurrent_conflicts_total \d/m)
    assert.match(
      text,
      /^http_request_duration_seconds_count\{method="POST",route="proxy",status="201"\} [1-9]/m,
    )
    const samples = text.replace(/^#.*$/gm, '')
    assert.doesNotMatch(samples, /\/pay|key-/)
  })

  test('a backend that cannot be connected to: 502, and the key is free', async (inner) => {
    const port = await freePort()
    const lone = await startProxy(inner, `http://127.0.0.1:${port}`)
    const key = newKey()
    for (let n = 0; n < 2; n++) {
      const reply = await send(`${lone.url}/pay`, copyOf(key))
      assert.equal(`${reply.status} ${reply.code}`, '502 backend_unreachable')
      assert.equal(reply.headers['retry-after'], '1')
    }
    assert.equal((await send(`${lone.url}/x`)).code, 'backend_unreachable')
  })
})

function copyOf(key: string): SendOptions {
  return { method: 'POST', body: 'x', headers: { 'Idempotency-Key': key } }
}
