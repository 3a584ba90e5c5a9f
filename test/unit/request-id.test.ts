import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { requestId } from '../../internal/http/request-id.ts'
import { exchange, serveApp } from '../support/serve-app.ts'

/** The response header, and the id in the state. */
async function idFor(t: TestContext, ...lines: string[]): Promise<[header: string, state: string]> {
  const port = await serveApp(t, requestId(), async (ctx) => {
    ctx.body = ctx.state.requestId
  })
  const request = ['GET / HTTP/1.1', 'Host: a', 'Connection: close', ...lines, '', ''].join('\r\n')
  const { head, body } = await exchange(port, request)
  const ids = [...head.matchAll(/^X-Request-Id: (.*)\r?$/gim)].map(([, id = '']) => id)
  assert.equal(ids.length, 1, head)
  return [ids[0] ?? '', body]
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

test('a request without an id gets a new one', async (t) => {
  const [first, seen] = await idFor(t)
  assert.match(first, UUID)
  assert.equal(seen, first)
  assert.notEqual((await idFor(t))[0], first)
})

for (const id of ['a', 'trace-1', '4bf92f3577b34da6a3ce929d0e0e4736', 'A.b_c-1', 'x'.repeat(64)]) {
  test(`the caller's id ${id} is kept`, async (t) => {
    assert.deepEqual(await idFor(t, `X-Request-Id: ${id}`), [id, id])
  })
}

for (const [what, ...lines] of [
  ['an empty one', 'X-Request-Id:'],
  ['one of 65 characters', `X-Request-Id: ${'x'.repeat(65)}`],
  ['one with a blank', 'X-Request-Id: a b'],
  ['one with a quote', 'X-Request-Id: a"b'],
  ['one with markup', 'X-Request-Id: <script>'],
  ['one in Latin-1', 'X-Request-Id: \u00e4'],
  ['two of them', 'X-Request-Id: a', 'X-Request-Id: b'],
] as const) {
  test(`${what} is replaced`, async (t) => {
    const [header, seen] = await idFor(t, ...lines)
    assert.match(header, UUID)
    assert.equal(seen, header)
  })
}
