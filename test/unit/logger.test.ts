import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createLogger, harmless, type Logger } from '../../internal/telemetry/logger.ts'

/** The text of the log after this was done with it. */
function logOf(t: TestContext, use: (logger: Logger) => void, level = 'info'): string {
  const directory = mkdtempSync(join(tmpdir(), 'oncekey-log-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'sub', 'oncekey.log')
  const logger = createLogger({ level, file })
  use(logger)
  logger.flushSync()
  return readFileSync(file, 'utf8')
}

const SECRET = 'hunter2'

/** As the drivers throw them: with the command, its values and the connection's options on board. */
const DRIVER_ERRORS: Record<string, Error> = {
  ioredis: Object.assign(new Error('WRONGPASS invalid username-password pair'), {
    name: 'ReplyError',
    command: { name: 'auth', args: ['default', SECRET] },
    previousErrors: [new Error(SECRET)],
  }),
  postgres: Object.assign(new Error('duplicate key value violates unique constraint "orders_pkey"'), {
    name: 'PostgresError',
    code: '23505',
    query: `INSERT INTO orders VALUES ('${SECRET}')`,
    parameters: [SECRET],
    args: [SECRET],
    detail: `Key (client, idempotency_key)=(acme, ${SECRET}) already exists.`,
    options: { password: SECRET },
  }),
  'HTTP client': Object.assign(new Error('the gateway returned 500'), {
    config: { headers: { authorization: `Bearer ${SECRET}` } },
    response: { body: SECRET },
  }),
  aggregate: new AggregateError([new Error(SECRET)], 'all addresses failed'),
}

for (const [driver, error] of Object.entries(DRIVER_ERRORS)) {
  test(`an error like that of ${driver} leaves its message and no values in the log`, (t) => {
    const wrapped = new Error('the store does not respond', { cause: error })
    const text = logOf(t, (logger) => {
      logger.error({ err: error }, 'failed')
      logger.error({ err: wrapped }, 'failed')
      logger.error(error)
    })
    assert.equal(text.trimEnd().split('\n').length, 3)
    assert.ok(text.includes(JSON.stringify(error.message)), text)
    assert.doesNotMatch(text, /hunter2/)
  })
}

test('type, message, code, stack and causes are kept', () => {
  const root = Object.assign(new TypeError('root'), { code: 'ECONNRESET' })
  const { stack, cause, ...rest } = harmless(new Error('top', { cause: root }))
  assert.deepEqual(rest, { type: 'Error', message: 'top' })
  assert.match(stack ?? '', /logger\.test/)
  assert.equal(cause?.type, 'TypeError')
  assert.equal(cause?.message, 'root')
  assert.equal(cause?.code, 'ECONNRESET')
})

test('causes that go round in a circle end after a few', (t) => {
  const first = new Error('first')
  const second = new Error('second', { cause: first })
  first.cause = second
  const itself = new Error('itself')
  itself.cause = itself
  const text = logOf(t, (logger) => {
    logger.error({ err: first }, 'failed')
    logger.error({ err: itself }, 'failed')
  })
  assert.equal(text.trimEnd().split('\n').length, 2)
  assert.ok(text.split('"second"').length <= 6)
})

test('whatever was thrown gives a line', (t) => {
  const thrown = [
    undefined,
    null,
    'text',
    5,
    5n,
    Symbol('s'),
    {},
    Object.create(null),
    [SECRET],
    { toString: null },
  ]
  const text = logOf(t, (logger) => {
    for (const one of thrown) logger.error({ err: one }, 'failed')
    logger.error({ err: Object.assign(new Error('x'), { code: Object.create(null) }) }, 'failed')
    logger.error({ err: new Error('x', { cause: Object.create(null) }) }, 'failed')
  })
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.equal(lines.length, thrown.length + 2)
  assert.doesNotMatch(text, /hunter2/)
})

test('line breaks, NUL and ANSI codes in values stay inside one JSON line', (t) => {
  const hostile = 'a\r\n{"level":"fatal"}\u001b[2J\0\u0007'
  const text = logOf(t, (logger) => logger.info({ path: hostile, err: new Error(hostile) }, hostile))
  assert.equal(text.indexOf('\n'), text.length - 1)
  assert.ok([...text.trimEnd()].every((one) => one >= ' '))
  const line = JSON.parse(text)
  assert.equal(line.path, hostile)
  assert.equal(line.msg, hostile)
})

test('a line tells level, time, service and process', (t) => {
  const line = JSON.parse(logOf(t, (logger) => logger.warn('hello')))
  assert.equal(line.level, 'warn')
  assert.equal(line.service, 'oncekey')
  assert.equal(line.pid, process.pid)
  assert.equal(line.msg, 'hello')
  assert.equal(new Date(line.time).toISOString(), line.time)
})

test('what is below the level is not written', (t) => {
  const text = logOf(
    t,
    (logger) => {
      logger.info('no')
      logger.warn('yes')
    },
    'warn',
  )
  assert.deepEqual(
    text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).msg),
    ['yes'],
  )
})

test('a file that cannot be written is told at once', () => {
  assert.throws(
    () => createLogger({ level: 'info', file: '/dev/null/oncekey.log' }),
    /the log file cannot be written: .*\/dev\/null/,
  )
})

test('the line of a request is the line that pino would write', (t) => {
  const texts = ['', '/a', '/%22"\\', '/\u0000\u001b[2J\r\n\u007f', '/\u00e9\u2028', ' ~'.repeat(99)]
  const text = logOf(t, (logger) => {
    for (const path of texts) {
      for (const [requestId, client] of [
        [path, path],
        [undefined, undefined],
        ['id-1', 'acme'],
      ]) {
        const ids = {
          requestId,
          traceId: client && '0af7651916cd43dd8448eb211c80319c',
          spanId: client && 'b7ad6b71',
        }
        const key = client && `key ${client}`
        const rest = { method: 'GET', route: '/orders/:id', path, status: 200 }
        logger.request({ ...ids, client, key, ...rest, durationMs: 0.07 })
        const inLog = { request_id: requestId, trace_id: ids.traceId, span_id: ids.spanId }
        logger.info({ ...inLog, client, idempotency_key: key, ...rest, duration_ms: 0.07 }, 'request')
      }
    }
  })
  // The moment is not the same.
  const lines = text
    .replaceAll(/"time":"[^"]+"/g, '"time":"now"')
    .trimEnd()
    .split('\n')
  assert.equal(lines.length, texts.length * 3 * 2)
  for (let i = 0; i < lines.length; i += 2) assert.equal(lines[i], lines[i + 1])
})

test('above its level a log has no lines of requests', (t) => {
  const seen = {
    requestId: '1',
    traceId: '2',
    spanId: '3',
    client: '4',
    key: '5',
    method: 'GET',
    route: '/',
    path: '/',
  }
  assert.equal(
    logOf(t, (logger) => logger.request({ ...seen, status: 200, durationMs: 1 }), 'warn'),
    '',
  )
})
