import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import { after, test } from 'node:test'
import Koa from 'koa'
import { signIn } from '../../internal/console/sign-in.ts'
import type { RequestState } from '../../internal/core/request-state.ts'
import { problems } from '../../internal/http/problems.ts'
import { listen } from '../../internal/http/server.ts'
import { send } from '../support/order-client.ts'

const TOKEN = 'sixteen-characters'
const servers: Server[] = []
after(() => {
  for (const server of servers) server.close()
})

/** A console of its own, whose clock is moved by hand. */
async function world() {
  let nowMs = 1_000_000
  const app = new Koa<RequestState>()
  app.use(problems(() => {})).use(signIn({ token: TOKEN, now: () => nowMs }))
  app.use((ctx) => {
    ctx.body = 'in'
  })
  const server = createServer(app.callback())
  servers.push(server)
  const port = await listen(server, '127.0.0.1', 0)
  const url = `http://127.0.0.1:${port}`
  return {
    host: `127.0.0.1:${port}`,
    pass: (ms: number) => {
      nowMs += ms
    },
    ask: (token: string | undefined, headers: Record<string, string> = {}) =>
      send(url, {
        headers: { ...headers, ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }) },
      }),
  }
}

test('only the operator token signs in', async () => {
  const { ask } = await world()
  assert.equal((await ask(TOKEN)).status, 200)
  for (const wrong of [undefined, `${TOKEN}x`, TOKEN.slice(1), TOKEN.toUpperCase(), 'x']) {
    const { status, code, headers } = await ask(wrong)
    assert.deepEqual([status, code, headers['cache-control']], [401, 'api_key_invalid', 'no-store'])
    assert.match(String(headers['www-authenticate']), /^Bearer realm=/)
  }
})

test('after ten wrong tokens from an address nobody there is let in for a minute, not even with the right one', async () => {
  const { ask, pass } = await world()
  const responses = await Promise.all(Array.from({ length: 50 }, (_, i) => ask(`guess-${i}`)))
  const count = (status: number) => responses.filter((response) => response.status === status).length
  assert.deepEqual([count(401), count(429)], [10, 40])
  const refused = await ask(TOKEN)
  assert.equal(refused.code, 'rate_limited')
  assert.equal(refused.headers['retry-after'], '60')
  pass(60_001)
  assert.equal((await ask(TOKEN)).status, 200)
  for (let i = 0; i < 10; i++) assert.equal((await ask('guess')).status, 401)
  assert.equal((await ask(TOKEN)).status, 429)
})

test('asking without a token is no guess', async () => {
  const { ask } = await world()
  for (let i = 0; i < 30; i++) await ask(undefined)
  assert.equal((await ask(TOKEN)).status, 200)
})

test("another site's page is refused with the right token too, the console's own is not", async () => {
  const { ask, host } = await world()
  const sites: [Record<string, string>, number][] = [
    [{ 'Sec-Fetch-Site': 'same-origin' }, 200],
    [{ 'Sec-Fetch-Site': 'same-site' }, 400],
    [{ 'Sec-Fetch-Site': 'cross-site' }, 400],
    [{ Origin: `http://${host}` }, 200],
    [{ Origin: 'http://evil.example' }, 400],
    [{ Origin: 'null' }, 400],
  ]
  for (const [headers, status] of sites)
    assert.equal((await ask(TOKEN, headers)).status, status, JSON.stringify(headers))
})
