import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { send } from '../support/order-client.ts'
import { assertPageHeaders } from '../support/page-headers.ts'
import { assertProblem, one } from '../support/raw-http.ts'
import { startServiceOnDatabase } from '../support/service-on-database.ts'

const world = await startServiceOnDatabase()
after(() => world.close())
const url = `http://127.0.0.1:${world.port}`
const get = (path: string, headers: Record<string, string> = {}) => send(url + path, { headers })

const html = (await get('/docs')).body.toString()
const parts = [...html.matchAll(/(?:src|href)="(\/docs\/[^"]+)"/g)].map(([, path = '']) => path)
/** What docs.js imports. */
const files = [...parts, '/docs/signer.js']
const TYPES: Record<string, string> = {
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
}

describe('/docs', () => {
  test('is a page without anything inline or from elsewhere', () => {
    assert.equal(parts.length, 7)
    assert.doesNotMatch(html, /<script(?![^>]* src="\/)|<style|\sstyle=|\son\w+=|https?:\/\//)
  })

  test('says that it is a demo only with the demo secret', async () => {
    assert.match(html, /super-secret-key/)
    const other = await startServiceOnDatabase({ HMAC_SECRET: 'another-secret' })
    const page = (await send(`${other.service.url}/docs`)).body.toString()
    await other.close()
    assert.doesNotMatch(page, /secret-key|another-secret|\{\{/)
  })

  for (const path of ['/docs', ...files]) {
    test(`${path} has its type, the headers of a page and an ETag`, async () => {
      const { status, headers } = await get(path)
      assert.equal(status, 200)
      const type = path === '/docs' ? 'text/html; charset=utf-8' : TYPES[path.split('.').at(-1) ?? '']
      assert.equal(headers['content-type'], type)
      assert.equal(headers['cache-control'], 'no-cache')
      assertPageHeaders(headers)
      const again = await get(path, { 'If-None-Match': String(headers.etag) })
      assert.equal(again.status, 304)
      assert.equal(again.body.length, 0)
      assert.equal((await get(path, { 'If-None-Match': '"other"' })).status, 200)
    })
  }

  test('its large parts come compressed, and plain to who cannot unpack them', async () => {
    for (const name of ['swagger-ui-bundle.js', 'swagger-ui.css']) {
      const packed = await get(`/docs/${name}`, { 'Accept-Encoding': 'gzip, br' })
      const plain = await get(`/docs/${name}`)
      assert.equal(packed.headers['content-encoding'], 'gzip')
      assert.equal(plain.headers['content-encoding'], undefined)
      assert.ok(gunzipSync(packed.body).equals(plain.body))
      assert.ok(plain.body.length > 100_000)
      assert.match(String(packed.headers.vary), /Accept-Encoding/)
      assert.notEqual(packed.headers.etag, plain.headers.etag)
      const head = await send(`${url}/docs/${name}`, { method: 'HEAD' })
      assert.equal(head.status, 200)
      assert.equal(head.headers['content-type'], plain.headers['content-type'])
    }
  })

  test('a file that is not on the list is 404, whatever its name', async () => {
    for (const name of [
      'docs.html',
      'page.d.ts',
      'swagger-ui-bundle.js.gz',
      'LICENSE',
      '..%2fdocs-page.js',
      '%2e%2e%2fopenapi.js',
      '__proto__',
      'constructor',
      '%00',
    ]) {
      assertProblem(await one(world.port, `GET /docs/${name} HTTP/1.1\r\nHost: a\r\n\r\n`), 404, 'not_found')
    }
  })
})

describe('/openapi.json', () => {
  test('is the same bytes each time, 304 to who has them', async () => {
    const first = await get('/openapi.json')
    const second = await get('/openapi.json', { Accept: 'text/html' })
    assert.equal(first.headers['content-type'], 'application/json; charset=utf-8')
    assert.ok(first.body.equals(second.body))
    assert.equal(first.headers.etag, second.headers.etag)
    assert.equal((await get('/openapi.json', { 'If-None-Match': String(first.headers.etag) })).status, 304)
  })
})
