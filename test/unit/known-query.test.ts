import assert from 'node:assert/strict'
import { test } from 'node:test'
import { knownQuery } from '../../internal/http/known-query.ts'
import { problems } from '../../internal/http/problems.ts'
import { serveApp } from '../support/serve-app.ts'

test('unknown query parameters are refused by name', async (t) => {
  const port = await serveApp(
    t,
    problems(() => {}),
    knownQuery(['limit', 'cursor']),
    (ctx) => {
      ctx.body = 'ok'
    },
  )
  const send = async (query: string) => {
    const response = await fetch(`http://127.0.0.1:${port}/things${query}`)
    const text = await response.text()
    return response.ok ? text : `${response.status} ${JSON.parse(text).code}: ${JSON.parse(text).detail}`
  }
  for (const known of ['', '?', '?limit=1', '?cursor=&limit=', '?limit=1&limit=2', '?lim%69t=1', '?&']) {
    assert.equal(await send(known), 'ok', known)
  }
  const refused = (names: string) =>
    `400 invalid_request: This route does not support the query parameter ${names}. It supports limit, cursor.`
  assert.equal(await send('?from=1'), refused('"from"'))
  assert.equal(await send('?limit=1&Limit=1'), refused('"Limit"'))
  assert.equal(await send('?limit[]=1'), refused('"limit[]"'))
  assert.equal(await send('?=1'), refused('""'))
  assert.equal(await send('?page'), refused('"page"'))
  assert.equal(await send('?a=1&b=2&a=3'), refused('"a", "b"'))
  assert.equal(await send('?%0d%0a%22=1'), refused('"\\r\\n\\""'))
  assert.equal(await send('?%zz=1'), refused('"%zz"'))
  assert.equal(await send(`?${'x'.repeat(1_000)}`), refused(`"${'x'.repeat(64)}"`))
  const many = Array.from({ length: 1_000 }, (_, n) => `a${n}`).join('&')
  assert.equal(await send(`?${many}`), refused('"a0", "a1", "a2", "a3", "a4" and 995 more'))
})
