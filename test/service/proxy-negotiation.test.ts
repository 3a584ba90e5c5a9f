import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { newKey, type Reply, type SendOptions, send } from '../support/order-client.ts'
import { startBackend, startProxy, type TestBackend } from '../support/proxy.ts'
import type { Service } from '../support/service.ts'

const TEXT = '{"charged":"10.00 €"}'
const BYTES = Buffer.from(TEXT)
const BODIES: Record<string, Buffer> = {
  gzip: gzipSync(BYTES),
  'x-gzip': gzipSync(BYTES),
  deflate: deflateSync(BYTES),
  br: brotliCompressSync(BYTES),
  'deflate, gzip': gzipSync(deflateSync(BYTES)),
  // Not what it says, and a bomb of 1 MiB that is small on the wire.
  broken: BYTES,
  zstd: BYTES,
}

describe('what a request selects a response by', () => {
  const closing: (() => unknown)[] = []
  const t = { after: (close: () => unknown) => void closing.push(close) }
  let backend: TestBackend
  let proxy: Service
  let strict: Service

  before(async () => {
    backend = await startBackend(t, (res, { target, values, method }) => {
      const [path = '', query = ''] = target.split('?')
      if (path === '/coded') {
        const coding = decodeURIComponent(query)
        return void res
          .writeHead(201, {
            'Content-Type': 'application/json',
            'Content-Encoding': coding.replace('broken', 'gzip'),
            'Content-Digest': 'sha-256=:AA==:',
            ETag: '"v1"',
            Vary: 'Origin',
          })
          .end(BODIES[coding])
      }
      const [from, to] =
        /^bytes=(\d+)-(\d+)$/
          .exec(values('range')[0] ?? '')
          ?.slice(1)
          .map(Number) ?? []
      if (from !== undefined && to !== undefined) {
        res.writeHead(206, { 'Content-Range': `bytes ${from}-${to}/10` })
        return void res.end('ABCDEFGHIJ'.slice(from, to + 1))
      }
      if (values('if-none-match').length > 0) return void res.writeHead(304, { ETag: '"v1"' }).end()
      if (values('if-match')[0] === '"old"') return void res.writeHead(412).end()
      res.end(`${method} ${backend.reached.length}`)
    })
    proxy = await startProxy(t, backend.url)
    strict = await startProxy(t, backend.url, ['--require-key', 'GET,POST'])
  })
  after(() => Promise.all(closing.map((close) => close())))

  const call = (
    url: string,
    method: string,
    key: string,
    headers: SendOptions['headers'] = {},
  ): Promise<Reply> => send(url, { method, headers: { 'Idempotency-Key': key, ...headers } })

  for (const method of ['GET', 'HEAD', 'OPTIONS']) {
    test(`${method} with a key asks for no change: it is passed on each time`, async () => {
      const key = newKey()
      for (let n = 0; n < 2; n++) {
        const reply = await call(proxy.url, method, key)
        assert.equal(`${reply.status} ${reply.headers['idempotent-replayed']}`, '200 undefined')
      }
      assert.equal(backend.runs(key), 2)
    })
  }

  test('ranges and conditions of GET are those of each request', async () => {
    const key = newKey()
    assert.equal(`${(await call(proxy.url, 'GET', key, { Range: 'bytes=0-4' })).body}`, 'ABCDE')
    assert.equal(`${(await call(proxy.url, 'GET', key, { Range: 'bytes=5-9' })).body}`, 'FGHIJ')
    assert.equal((await call(proxy.url, 'GET', key, { 'If-None-Match': '"v1"' })).status, 304)
    assert.match(`${(await call(proxy.url, 'GET', key)).body}`, /^GET /)
  })

  test('with --require-key GET takes effect once; another range or condition is another request', async () => {
    for (const [first, other, status] of [
      [{ Range: 'bytes=0-4' }, { Range: 'bytes=5-9' }, 206],
      [{ 'If-None-Match': '"v1"' }, {}, 304],
      [{}, { 'If-Range': '"v1"', Range: 'bytes=0-1' }, 200],
    ] as const) {
      const key = newKey()
      assert.equal((await call(strict.url, 'GET', key, first)).status, status)
      assert.equal((await call(strict.url, 'GET', key, other)).code, 'idempotency_key_reused')
      const again = await call(strict.url, 'GET', key, first)
      assert.equal(`${again.status} ${again.headers['idempotent-replayed']}`, `${status} true`)
      assert.equal(backend.runs(key), 1)
    }
  })

  test('a condition belongs to a request that changes something', async () => {
    for (const method of ['PUT', 'PATCH', 'DELETE', 'POST']) {
      const key = newKey()
      assert.equal((await call(proxy.url, method, key, { 'If-Match': '"old"' })).status, 412)
      assert.equal(
        (await call(proxy.url, method, key, { 'If-Match': '"new"' })).code,
        'idempotency_key_reused',
      )
      assert.equal((await call(proxy.url, method, key, { 'If-Match': '"old"' })).status, 412)
      assert.equal(backend.runs(key), 1)
    }
  })

  test('a range means nothing with a method that changes something: a retry may ask for the rest', async () => {
    for (const method of ['PUT', 'PATCH', 'DELETE', 'POST']) {
      const key = newKey()
      const first = await call(proxy.url, method, key)
      for (const headers of [{ Range: 'bytes=3-4' }, { 'If-Range': '"v1"', Range: 'bytes=3-4' }, {}]) {
        const again = await call(proxy.url, method, key, headers)
        assert.equal(
          `${again.status} ${again.body} ${again.headers['idempotent-replayed']}`,
          `200 ${first.body} true`,
        )
      }
      assert.equal(backend.runs(key), 1)
    }
  })

  test('what a client prefers does not: Accept, Accept-Language and Content-Type may be others', async () => {
    const key = newKey()
    const first = await call(proxy.url, 'POST', key, { Accept: 'application/json', 'Content-Type': 'a/b' })
    const other = { Accept: 'text/xml', 'Accept-Language': 'de', 'Content-Type': 'a/b; charset=utf-8' }
    const again = await call(proxy.url, 'POST', key, other)
    assert.equal(`${again.body} ${again.headers['idempotent-replayed']}`, `${first.body} true`)
  })

  for (const coding of ['gzip', 'x-gzip', 'deflate', 'br', 'deflate, gzip']) {
    test(`a response in ${coding} is decoded for a retry that does not accept it`, async () => {
      const key = newKey()
      const url = `${proxy.url}/coded?${encodeURIComponent(coding)}`
      const first = await call(url, 'POST', key, { 'Accept-Encoding': 'gzip, deflate, br' })
      assert.deepEqual(first.body, BODIES[coding])
      for (const accepted of [
        undefined,
        'identity',
        'compress',
        'gzip;q=0, br;q=0, deflate;q=0.0',
        '*;q=0',
      ]) {
        const headers = accepted === undefined ? {} : { 'Accept-Encoding': accepted }
        const reply = await call(url, 'POST', key, headers)
        assert.equal(`${reply.status} ${reply.body}`, `201 ${TEXT}`, accepted)
        assert.equal(reply.headers['content-length'], String(BYTES.length))
        assert.equal(reply.headers['content-encoding'], undefined)
        assert.equal(reply.headers['content-digest'], undefined)
        assert.equal(reply.headers.etag, 'W/"v1"')
        assert.equal(reply.headers.vary, 'Origin, Accept-Encoding')
        assert.equal(reply.headers['content-type'], 'application/json')
        assert.equal(reply.headers['idempotent-replayed'], 'true')
      }
      for (const accepted of ['gzip, deflate;q=0.5, br', '*', 'x-gzip, DEFLATE, br;q=1']) {
        const reply = await call(url, 'POST', key, { 'Accept-Encoding': accepted })
        assert.deepEqual(reply.body, first.body, accepted)
        assert.equal(reply.headers['content-encoding'], coding)
        assert.equal(reply.headers.etag, '"v1"')
      }
      assert.equal(backend.runs(key), 1)
    })
  }

  test('what cannot be decoded is replayed as it is', async () => {
    for (const coding of ['broken', 'zstd']) {
      const key = newKey()
      const url = `${proxy.url}/coded?${coding}`
      const first = await call(url, 'POST', key)
      const again = await call(url, 'POST', key)
      assert.deepEqual(again.body, first.body)
      assert.equal(again.headers['content-encoding'], first.headers['content-encoding'])
      assert.equal(again.headers['idempotent-replayed'], 'true')
    }
  })
})

describe('--preserve-host', () => {
  test('gives the backend the Host of the request, for redirects and for several hosts with keys of their own', async (t) => {
    const backend = await startBackend(t, (res, { values }) => {
      res.writeHead(303, { Location: `http://${values('host')[0]}/orders/${backend.reached.length}` }).end()
    })
    const [proxy, without] = [
      await startProxy(t, backend.url, ['--preserve-host']),
      await startProxy(t, backend.url),
    ]
    const post = (service: Service, key: string, host: string) =>
      send(service.url, { method: 'POST', headers: { 'Idempotency-Key': key, Host: host } })
    const key = newKey()
    for (const host of ['shop.example', 'SHOP.example']) {
      const { headers } = await post(proxy, key, host)
      assert.equal(headers.location, 'http://shop.example/orders/1')
    }
    assert.equal(
      (await post(proxy, key, 'other.example:8443')).headers.location,
      'http://other.example:8443/orders/2',
    )
    assert.deepEqual(backend.reached[1]?.values('x-forwarded-host'), ['other.example:8443'])
    const bad = await post(proxy, newKey(), 'a b')
    assert.equal(`${bad.status} ${bad.code}`, '400 invalid_request')
    const plain = await send(proxy.url, { headers: { Host: 'shop.example' } })
    assert.match(String(plain.headers.location), /^http:\/\/shop\.example\//)
    const { headers } = await post(without, newKey(), 'shop.example')
    assert.ok(String(headers.location).startsWith(backend.url), 'the default stays the host of the target')
  })
})
