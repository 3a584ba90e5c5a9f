import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { IncomingMessage, ServerResponse } from 'node:http'
import { connect, createServer } from 'node:http2'
import { Socket } from 'node:net'
import { type PassThrough, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { createGzip, gzipSync } from 'node:zlib'
import Koa from 'koa'
import { sign } from '../../internal/signature/schemes.ts'
import {
  idempotency,
  type Middleware,
  parsedBody,
  problems,
  type RequestState,
  rawBody,
  redisStore,
  ServiceError,
  verifySignature,
} from '../../src/index.ts'
import { ORDER, redis, registry, SECRET, send, serve, shop } from '../support/library-app.ts'

const TEXT = '{"list":["grüße"]}'

/** The steps behind the signature: every caller is let in. */
function openSteps(onUnknown: 'hold' | 'takeover' = 'hold'): Middleware[] {
  const store = redisStore(redis, { ttlMs: 60_000, prefix: `test-library-${randomUUID()}` })
  return [
    problems(() => {}),
    rawBody(),
    async function open(ctx, next) {
      ctx.state.caller = { client: 'shop', scheme: 'open' }
      await next()
    },
    idempotency({ store, scope: 'POST /things', onUnknown }),
  ]
}

async function post(url: string, headers: Record<string, string> = {}) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'Idempotency-Key': 'key-1', ...headers },
    body: 'x',
  })
  const body = await response.text()
  return `${response.status} ${response.headers.get('idempotent-replayed')} ${body}`
}

for (const [what, coded] of [
  ['bytes', () => gzipSync(TEXT)],
  ['a stream', () => Readable.from([TEXT]).pipe(createGzip())],
] as const) {
  test(`${what} that a middleware inside has compressed are replayed with their coding, or decoded`, async (t) => {
    let runs = 0
    const url = await serve(t, ...openSteps(), async (ctx) => {
      runs++
      ctx.type = 'json'
      ctx.set('Content-Encoding', 'gzip')
      ctx.body = coded()
    })
    const headers = { 'Accept-Encoding': 'gzip' }
    assert.equal(await post(url, headers), `200 null ${TEXT}`)
    assert.equal(await post(url, headers), `200 true ${TEXT}`)
    assert.equal(await post(url, { 'Accept-Encoding': 'identity' }), `200 true ${TEXT}`)
    assert.equal(runs, 1)
  })
}

const WRITERS: [what: string, handler: Middleware][] = [
  [
    'with ctx.respond = false',
    async (ctx) => {
      ctx.respond = false
      ctx.res.writeHead(201, { 'Content-Type': 'text/plain', Location: '/things/1' }).end('hello')
    },
  ],
  [
    'later, with ctx.respond = false',
    async (ctx) => {
      ctx.respond = false
      setImmediate(() => ctx.res.writeHead(201).end('hello'))
    },
  ],
  [
    'without a word to Koa',
    async (ctx) => {
      ctx.res.writeHead(201, { 'Content-Type': 'text/plain' }).end('hello')
    },
  ],
]

for (const onUnknown of ['hold', 'takeover'] as const) {
  for (const [what, handler] of WRITERS) {
    test(`a response that is written ${what} goes out, and no retry gets another one (${onUnknown})`, async (t) => {
      const reported: unknown[] = []
      let runs = 0
      const [, ...steps] = openSteps(onUnknown)
      const url = await serve(
        t,
        problems((_, error) => reported.push(error)),
        ...steps,
        async (ctx, next) => {
          runs++
          await handler(ctx, next)
        },
      )
      assert.equal(await post(url), '201 null hello')
      for (let retry = 0; retry < 2; retry++) {
        assert.match(await post(url), /^409 null .*took effect and got a response.*"code":"outcome_unknown"/)
      }
      assert.equal(runs, 1)
      assert.deepEqual(reported, [])
    })
  }
}

test('headers that a handler has flushed are those of the replay as well', async (t) => {
  const { url, seen } = await shop(t, async (ctx) => {
    ctx.status = 202
    ctx.type = 'json'
    ctx.flushHeaders()
    ctx.body = { a: 1 }
  })
  const first = await send(url, ORDER)
  assert.deepEqual([first.status, first.bytes.toString()], [202, '{"a":1}'])
  const again = await send(url, ORDER)
  assert.deepEqual([again.status, again.bytes.toString(), again.replayed], [202, '{"a":1}', true])
  assert.deepEqual([seen.runs, seen.reported], [1, []])
})

test('a handler that fails after it has flushed its headers: the response is cut, and its key is free', async (t) => {
  const { url, seen } = await shop(t, async (ctx) => {
    ctx.status = 201
    ctx.flushHeaders()
    throw new ServiceError('invalid_request', 'No.')
  })
  for (let n = 0; n < 2; n++) await assert.rejects(send(url, ORDER), /terminated|fetch failed/)
  assert.deepEqual([seen.runs, seen.attempts], [2, [1, 1]])
})

/** What koa-timeout and its like do: they respond, and the handler goes on. */
const LATE: [what: string, finish: Middleware, runs: number][] = [
  [
    'succeeds',
    async (ctx) => {
      ctx.status = 201
      ctx.body = { a: 1 }
    },
    1,
  ],
  [
    'refuses for good',
    async () => {
      throw new ServiceError('validation_failed', 'No.')
    },
    1,
  ],
  ['fails', () => Promise.reject(new Error('defect')), 1],
  [
    'has done nothing',
    async () => {
      throw new ServiceError('invalid_request', 'No.')
    },
    2,
  ],
]

for (const status of [408, 503, 404]) {
  for (const [what, finish, wanted] of LATE) {
    test(`after a middleware in front has responded ${status}, the handler ${what}: it runs ${wanted === 1 ? 'once' : 'again'}`, async (t) => {
      let runs = 0
      const began = new EventEmitter()
      const tooLate = once(began, 'begun')
      const ended = once(began, 'ended')
      const [first = problems(), ...steps] = openSteps()
      const url = await serve(
        t,
        first,
        async function limitTime(ctx, next) {
          if (runs > 0) return await next()
          const work = next().finally(() => began.emit('ended'))
          await Promise.race([work, tooLate.then(() => ctx.throw(status, 'too late'))])
        },
        ...steps,
        async (ctx, next) => {
          runs++
          if (runs === 1) {
            const sent = once(ctx.res, 'finish')
            began.emit('begun')
            await sent
          }
          await finish(ctx, next)
        },
      )
      assert.match(await post(url), new RegExp(`^${status} null `))
      await ended
      assert.match(await post(url), wanted === 1 ? /^409 null .*outcome_unknown/ : /^400 null/)
      assert.equal(runs, wanted)
    })
  }
}

test('a request that no middleware responds to is not found, and its key is free for the day when one does', async (t) => {
  let isThere = false
  const url = await serve(t, ...openSteps(), async (ctx, next) => {
    if (!isThere) return await next()
    ctx.body = 'ran'
  })
  for (let n = 0; n < 2; n++) assert.match(await post(url), /^404 null .*"code":"not_found"/)
  isThere = true
  assert.equal(await post(url), '200 null ran')
})

test('404 that a handler sets, without a body, is its response', async (t) => {
  let runs = 0
  const url = await serve(t, ...openSteps(), async (ctx) => {
    runs++
    ctx.status = 404
  })
  assert.equal(await post(url), '404 null ')
  assert.equal(await post(url), '404 true ')
  assert.equal(runs, 1)
})

test('a request that was made without a connection, as for a function in a cloud, is read like others', async () => {
  const app = new Koa<RequestState>()
  const store = redisStore(redis, { ttlMs: 60_000, prefix: `test-library-${randomUUID()}` })
  const steps = [
    problems(),
    rawBody(),
    verifySignature({ registry }),
    idempotency({ store, scope: 'POST /things', onUnknown: 'hold' }),
  ]
  for (const middleware of steps) app.use(middleware)
  app.use((ctx) => {
    ctx.body = `${ctx.state.caller?.client} ${ctx.state.attempt?.key} ${ctx.state.body?.bytes}`
  })
  const callback = app.callback()
  // As serverless-http makes it: headers, and no lines of them.
  const ask = (body: string, key: string) => {
    const timestamp = Math.floor(Date.now() / 1_000)
    const intent = { method: 'POST', target: '/things', client: 'shop', key, body, timestamp }
    const req = Object.assign(new IncomingMessage(new Socket()), {
      method: 'POST',
      url: '/things',
      headers: {
        'content-length': String(body.length),
        'x-client-id': 'shop',
        'idempotency-key': key,
        'x-signature': sign({ scheme: 'v1', secret: SECRET, ...intent }),
      },
    })
    req.push(body)
    req.push(null)
    const res = new ServerResponse(req)
    let sent = ''
    res.end = (chunk) => {
      sent += chunk
      return res
    }
    return Promise.resolve(callback(req, res)).then(
      () => `${res.statusCode} ${res.getHeader('Idempotent-Replayed')} ${sent}`,
    )
  }
  assert.equal(await ask('one', 'key-1'), '200 undefined shop key-1 one')
  assert.equal(await ask('one', 'key-1'), '200 true shop key-1 one')
  assert.match(await ask('two', 'key-1'), /^409 undefined .*idempotency_key_reused/)
})

/** As those of the package readable-stream: everything that Node's has, but another class. */
function otherStream(chunks: string[]): unknown {
  const inner = Readable.from(chunks)
  return Object.assign(new EventEmitter(), {
    pipe: (to: PassThrough) => inner.pipe(to),
    [Symbol.asyncIterator]: () => inner[Symbol.asyncIterator](),
  })
}

/** As streams were before Node 0.10, and as some packages still make them. */
function oldStream(chunks: string[]): unknown {
  const stream = Object.assign(new EventEmitter(), {
    pipe: () => {},
    pause: () => {},
    resume: () => {},
  })
  setImmediate(() => {
    for (const chunk of chunks) stream.emit('data', Buffer.from(chunk))
    stream.emit('end')
  })
  return stream
}

for (const [what, make] of [
  ['of another class', otherStream],
  ['of the oldest kind', oldStream],
] as const) {
  test(`a stream ${what} is read to its end, and replayed`, async (t) => {
    const { url, seen } = await shop(t, async (ctx) => {
      ctx.body = make(['hel', 'lo'])
      ctx.type = 'text/plain'
    })
    const first = await send(url, ORDER)
    assert.deepEqual([first.status, first.bytes.toString()], [200, 'hello'])
    assert.deepEqual(await send(url, ORDER), { ...first, replayed: true })
    assert.deepEqual([seen.runs, seen.reported], [1, []])
  })
}

/** Status, what becomes of the key, and what the client reads. */
const THROWN: [status: number, kept: boolean, title: string, code: string][] = [
  [400, false, 'Bad Request', 'bad_request'],
  [402, true, 'Payment Required', 'payment_required'],
  [403, false, 'Forbidden', 'forbidden'],
  [404, true, 'Not Found', 'not_found'],
  [409, true, 'Conflict', 'conflict'],
  [422, true, 'Unprocessable Entity', 'unprocessable_entity'],
  [429, false, 'Too Many Requests', 'too_many_requests'],
]

for (const [status, isKept, title, code] of THROWN) {
  const becomes = isKept ? 'replayed' : 'tried anew'
  test(`ctx.throw(${status}) is a response ${status} with its text, and ${becomes}`, async (t) => {
    const { url, seen } = await shop(t, async (ctx) => ctx.throw(status, 'The seat is taken.'))
    const first = await send(url, ORDER)
    assert.equal(first.headers['content-type'], 'application/problem+json')
    const { request_id, ...document } = JSON.parse(first.bytes.toString())
    assert.match(request_id, /^[\w-]+$/)
    assert.deepEqual(document, { type: 'about:blank', title, status, detail: 'The seat is taken.', code })
    const again = await send(url, ORDER)
    assert.deepEqual([again.status, again.replayed], [status, isKept])
    assert.deepEqual([seen.runs, seen.reported, seen.attempts.at(-1)], [isKept ? 1 : 2, [], 1])
  })
}

test('ctx.throw(503) frees the key, and its text is for the log alone', async (t) => {
  const { url, seen } = await shop(t, async (ctx) =>
    ctx.throw(503, 'db1 is away', { headers: { 'Retry-After': '7' } }),
  )
  const first = await send(url, ORDER)
  assert.deepEqual([first.status, first.code], [503, 'service_unavailable'])
  assert.ok(!first.bytes.includes('db1'))
  assert.equal((await send(url, ORDER)).status, 503)
  assert.deepEqual([seen.runs, seen.attempts, seen.reported.length > 0], [2, [1, 1], true])
})

test('an error of an HTTP client, with the status of another response, is a defect: the outcome is unknown', async (t) => {
  const { url, seen } = await shop(
    t,
    async () => {
      throw Object.assign(new Error('Request failed with status code 404'), { status: 404 })
    },
    { onUnknown: 'hold' },
  )
  assert.deepEqual((await send(url, ORDER)).code, 'internal_error')
  assert.deepEqual((await send(url, ORDER)).code, 'outcome_unknown')
  assert.equal(seen.runs, 1)
})

for (const [what, reader] of [
  ['rawBody', rawBody()],
  ['parsedBody', parsedBody()],
] as const) {
  test(`${what} behind a body parser fails at once and says why`, async (t) => {
    const reported: unknown[] = []
    const url = await serve(
      t,
      problems((_, error) => reported.push(error)),
      async function parser(ctx, next) {
        await text(ctx.req)
        await next()
      },
      reader,
    )
    const ended = await post(url)
    assert.match(ended, /^500 .*internal_error/)
    assert.match(String(reported), /rawBody must come before what reads the body/)
  })
}

/** What koa-mount does: the app behind it sees the rest of the path. */
const mounted: Middleware = async function mounted(ctx, next) {
  ctx.path = '/inner'
  await next()
}

test('an app that is mounted at a path takes signatures over the path as it was sent', async (t) => {
  const showPath: Middleware = async (ctx) => {
    ctx.body = ctx.path
  }
  const { url, seen } = await shop(t, showPath, {
    body: async (ctx, next) => mounted(ctx, () => parsedBody()(ctx, next)),
  })
  const { status, bytes } = await send(url, ORDER)
  assert.deepEqual([status, bytes.toString(), seen.runs], [200, '/inner', 1])
})

test('one app mounted at two paths runs for each: the same key at the other path is refused', async (t) => {
  let runs = 0
  const url = await serve(t, mounted, ...openSteps(), async (ctx) => {
    runs++
    ctx.body = ctx.originalUrl
  })
  assert.equal(await post(url), '200 null /things')
  assert.match(await post(`${url}/b`), /^409 null .*idempotency_key_reused/)
  assert.equal(await post(url), '200 true /things')
  assert.equal(runs, 1)
})

test('over HTTP/2 a body without a declared length is read, and belongs to the key', async (t) => {
  const app = new Koa<RequestState>()
  for (const middleware of openSteps()) app.use(middleware)
  app.use((ctx) => {
    if (ctx.state.body?.bytes.length === 0) throw new ServiceError('invalid_request', 'There is no body.')
    ctx.body = `got ${ctx.state.body?.bytes}`
  })
  const server = createServer(app.callback()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  const session = connect(`http://127.0.0.1:${address.port}`)
  t.after(() => {
    session.close()
    server.close()
  })
  const ask = async (body: string) => {
    const stream = session.request({ ':method': 'POST', ':path': '/things', 'idempotency-key': 'key-1' })
    stream.end(body)
    const [headers] = await once(stream, 'response')
    return `${headers[':status']} ${await text(stream)}`
  }
  assert.match(await ask(''), /^400 .*There is no body/)
  assert.equal(await ask('one'), '200 got one')
  assert.equal(await ask('one'), '200 got one')
  assert.match(await ask('two'), /^409 .*idempotency_key_reused/)
})
