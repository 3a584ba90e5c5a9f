import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { newKey, type Reply, send } from '../support/order-client.ts'
import { startBackend, startProxy, startRawBackend } from '../support/proxy.ts'
import type { Service } from '../support/service.ts'
import { until } from '../support/until.ts'

const say = ({ status, code }: Reply) => `${status} ${code}`

describe('a failure that passes', () => {
  const closing: (() => unknown)[] = []
  const t = { after: (close: () => unknown) => void closing.push(close) }
  let first = 503
  let lookup = (res: ServerResponse): unknown => res.destroy()
  let runs = (_: string) => 0
  const seen = new Set<string>()
  const sidecars = new Map<string, Service>()

  before(async () => {
    const backend = await startBackend(t, (res, { target, values }) => {
      if (target.startsWith('/_outcome/')) return void lookup(res)
      const [key = ''] = values('idempotency-key')
      if (seen.has(key)) return void res.writeHead(201).end('done')
      seen.add(key)
      res.writeHead(first, { 'Content-Type': 'text/html' }).end('<h1>not now</h1>')
    })
    runs = (key) =>
      backend.reached.filter(
        ({ method, values }) => method === 'POST' && values('idempotency-key')[0] === key,
      ).length
    for (const [name, args] of [
      ['default', []],
      ['lookup', ['--lookup', `${backend.url}/_outcome/{key}`]],
      ['replay', ['--on-5xx', 'replay']],
    ] as const) {
      sidecars.set(name, await startProxy(t, backend.url, [...args]))
    }
  })
  after(() => Promise.all(closing.map((close) => close())))

  const post = (key: string, name = 'default'): Promise<Reply> =>
    send(`${sidecars.get(name)?.url}/charge`, {
      method: 'POST',
      body: 'x',
      headers: { 'Idempotency-Key': key },
    })

  for (const status of [400, 401, 403, 408, 411, 413, 414, 415, 421, 425, 428, 429, 431, 503]) {
    test(`${status} is not the last word: the retry is let through, and its 201 is replayed`, async () => {
      first = status
      const key = newKey()
      assert.equal((await post(key)).status, status)
      for (const replayed of [undefined, 'true']) {
        const reply = await post(key)
        assert.equal(`${reply.status} ${reply.body}`, '201 done')
        assert.equal(reply.headers['idempotent-replayed'], replayed)
      }
      assert.equal(runs(key), 2)
    })
  }

  for (const status of [502, 504]) {
    test(`${status} of a gateway is passed on, its outcome is unknown and it is not run again`, async () => {
      first = status
      const key = newKey()
      assert.equal(`${(await post(key)).body}`, '<h1>not now</h1>')
      for (let n = 0; n < 2; n++) assert.equal(say(await post(key)), '409 outcome_unknown')
      assert.equal(runs(key), 1)
    })

    test(`${status}: --lookup finds out what became of the request behind the gateway`, async () => {
      first = status
      lookup = (res) => res.writeHead(404).end()
      const key = newKey()
      await post(key, 'lookup')
      assert.equal(say(await post(key, 'lookup')), '409 outcome_unknown', 'it may still be at work')
      lookup = (res) => res.writeHead(200, { 'Idempotency-Status': '201' }).end('charged')
      let reply: Reply | undefined
      await until('it has been asked again', async () => {
        reply = await post(key, 'lookup')
        return reply.status === 201
      })
      assert.equal(`${reply?.body} ${reply?.headers['idempotent-replayed']}`, 'charged true')
      assert.equal(runs(key), 1)
    })

    test(`${status} of a backend that means it is replayed with --on-5xx replay`, async () => {
      first = status
      const key = newKey()
      for (let n = 0; n < 2; n++) assert.equal((await post(key, 'replay')).status, status)
      assert.equal(runs(key), 1)
    })
  }
})

describe('a request without a key', () => {
  test('that a backend has read may have taken effect: it is sent again only where that does no harm', async (t) => {
    let responses = false
    const backend = await startRawBackend(t, (socket) => {
      if (!responses) socket.destroy()
    })
    const proxy = await startProxy(t, backend.url, ['--timeout', '300ms'])
    for (const [silent, said] of [
      [false, '502 backend_unreachable'],
      [true, '504 backend_timeout'],
    ] as const) {
      responses = silent
      for (const [method, retryable] of [
        ['POST', false],
        ['PATCH', false],
        ['PROPFIND', false],
        ['GET', true],
        ['PUT', true],
        ['DELETE', true],
      ] as const) {
        const reply = await send(`${proxy.url}/charge`, { method })
        assert.equal(say(reply), said)
        const problem = JSON.parse(reply.body.toString())
        assert.equal(problem.retryable, retryable, method)
        assert.doesNotMatch(problem.detail, /same key/)
        if (!retryable)
          assert.match(problem.detail, /may have taken effect.*find out before you send it again/)
        assert.equal(reply.headers['retry-after'], undefined)
      }
    }
  })
})
