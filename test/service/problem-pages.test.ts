import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { PROBLEM_TEXTS } from '../../internal/core/problem-texts.ts'
import { PROBLEMS } from '../../internal/core/service-error.ts'
import { send } from '../support/order-client.ts'
import { assertPageHeaders } from '../support/page-headers.ts'
import { assertProblem, one } from '../support/raw-http.ts'
import { startServiceOnDatabase } from '../support/service-on-database.ts'

const world = await startServiceOnDatabase({
  NODE_ENV: 'production',
  SIMULATED_GATEWAY: 'on',
  HMAC_SECRET: 'not-the-demo-secret',
})
after(() => world.close())
const { url } = world.service

/** As Chromium asks for a page. */
const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8'
const get = async (path: string, accept?: string) => {
  const reply = await send(url + path, accept === undefined ? {} : { headers: { Accept: accept } })
  return { ...reply, text: reply.body.toString() }
}

describe('the error catalogue', () => {
  for (const [code, entry] of Object.entries(PROBLEMS)) {
    test(`/problems/${code} says what it is, what it means and what to do`, async () => {
      const { retry, meaning, remedy } = new Map(Object.entries(PROBLEM_TEXTS)).get(code) ?? {}
      const json = await get(`/problems/${code}`)
      assert.deepEqual(JSON.parse(json.text), { code, ...entry, retry, meaning, remedy })
      const html = await get(`/problems/${code}`, BROWSER)
      assert.equal(html.headers['content-type'], 'text/html; charset=utf-8')
      for (const text of [code, String(entry.status), entry.title, meaning, remedy]) {
        assert.ok(text !== undefined && html.text.includes(text), text)
      }
    })
  }

  test('/problems has all of them, as JSON and as HTML', async () => {
    const codes = Object.keys(PROBLEMS).sort()
    const { problems } = JSON.parse((await get('/problems')).text)
    assert.deepEqual(problems.map(({ code }: { code: string }) => code).sort(), codes)
    const html = await get('/problems', BROWSER)
    const articles = [...html.text.matchAll(/<article id="(\w+)"/g)].map(([, code]) => code)
    assert.deepEqual(articles.sort(), codes)
    assert.ok(html.body.length < 32_768, `${html.body.length} bytes`)
  })

  test('JSON is the default, HTML is for who prefers it', async () => {
    for (const [accept, type] of [
      [undefined, 'application/json'],
      ['*/*', 'application/json'],
      ['application/json', 'application/json'],
      ['application/json, text/html', 'application/json'],
      ['text/html;q=0.5, application/json', 'application/json'],
      ['image/png', 'application/json'],
      ['text/html', 'text/html'],
      [BROWSER, 'text/html'],
    ] as const) {
      for (const path of ['/problems', '/problems/not_found']) {
        const { status, headers } = await get(path, accept)
        assert.equal(status, 200)
        assert.equal(headers['content-type'], `${type}; charset=utf-8`, `${path} ${accept}`)
        assert.equal(headers.vary, 'Accept')
        assertPageHeaders(headers)
      }
    }
  })

  test('a code that does not exist is 404', async () => {
    for (const code of ['nothing', '__proto__', 'constructor', 'toString', 'NOT_FOUND', '%6eot_found']) {
      const response = await one(world.port, `GET /problems/${code} HTTP/1.1\r\nHost: a\r\n\r\n`)
      assertProblem(response, 404, 'not_found')
    }
  })
})

test('/ leads a browser to /docs, and names the places of the service for others', async () => {
  const page = await get('/', BROWSER)
  assert.deepEqual([page.status, page.headers.location], [302, '/docs'])
  const json = await get('/')
  assert.equal(json.status, 200)
  // In production the console is on the private listener only.
  assert.deepEqual(Object.keys(JSON.parse(json.text)), ['docs', 'openapi', 'problems', 'health'])
  for (const path of Object.values(JSON.parse(json.text))) assert.equal((await get(String(path))).status, 200)
})
