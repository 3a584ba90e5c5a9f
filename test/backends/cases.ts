import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { type AskResult, ask, isReplay, oneConnection, type Question } from './ask.ts'
import type { RunningBackend } from './running-backend.ts'

/** The sidecar that a backend is tried through. */
export interface Trial {
  backend: RunningBackend
  /** Of the sidecar. */
  url: string
}

/** What a cell of the table says. A fault of the sidecar is thrown. */
export type Verdict = 'ok' | 'none' | string

export interface Case {
  name: string
  /** Above its column. */
  title: string
  try(trial: Trial): Promise<Verdict>
}

const LARGE = 104_857_600
const BODY = '{"amount":500}'
const MULTIPART = 'multipart/form-data; boundary=b'
const FORM =
  '--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b--\r\n'

export function newKey(): string {
  return `key-${randomBytes(8).toString('hex')}`
}

const keyed = (key: string, headers: Record<string, string> = {}) => ({ 'Idempotency-Key': key, ...headers })

/** Sends a request twice with a key: run once, and the second response is the first. */
async function twice(
  { backend, url }: Trial,
  path: string,
  expected: { status: number; body?: RegExp },
  question: Question = {},
): Promise<AskResult> {
  const key = newKey()
  const sent = () => ask(`${url}/${path}`, { body: BODY, ...question, headers: keyed(key, question.headers) })
  const first = await sent()
  assert.equal(first.status, expected.status, `${path}: ${first.text.slice(0, 300)}`)
  assert.ok(first.whole && !isReplay(first), `${path}: the first response`)
  if (expected.body !== undefined) assert.match(first.text, expected.body)
  const again = await sent()
  assert.deepEqual(
    [again.status, again.text, again.whole],
    [first.status, first.text, true],
    `${path}: the replay`,
  )
  assert.ok(isReplay(again), `${path}: it is a replay`)
  assert.equal(backend.runs(key).length, 1, `${path}: how often it was run`)
  return first
}

const RESPONSE = /^\{"key": ?"key-\w+", ?"user": ?"-", ?"id": ?"[\w-]+", ?"bytes": ?(\d+)\}$/

function bytesIn({ text }: AskResult): number {
  return Number(RESPONSE.exec(text)?.[1] ?? /"bytes": ?(\d+)/.exec(text)?.[1] ?? Number.NaN)
}

/** How many of the bytes that were sent have reached the program. */
function arrived(told: AskResult, sent: number): Verdict {
  if (told.status >= 400) return String(told.status)
  const bytes = bytesIn(told)
  return bytes === sent ? 'ok' : `${bytes} bytes`
}

export const CASES: readonly Case[] = [
  {
    name: 'once',
    title: 'POST, replayed',
    async try(trial) {
      const told = await twice(trial, 'charge', { status: 201, body: RESPONSE })
      return arrived(told, BODY.length)
    },
  },
  {
    name: 'empty',
    title: 'empty',
    async try(trial) {
      assert.equal((await twice(trial, 'empty', { status: 200 })).bytes, 0)
      const none = await twice(trial, 'charge', { status: 201, body: RESPONSE }, { body: '' })
      return arrived(none, 0)
    },
  },
  {
    name: 'chunked-request',
    title: 'request in chunks',
    async try(trial) {
      const chunks = () => Readable.from([BODY.slice(0, 5), BODY.slice(5)])
      const key = newKey()
      // With a key the sidecar has read it, and sends a length.
      const whole = await ask(`${trial.url}/charge`, { body: chunks(), headers: keyed(key) })
      assert.equal(bytesIn(whole), BODY.length)
      return arrived(await ask(`${trial.url}/charge`, { body: chunks() }), BODY.length)
    },
  },
  {
    name: 'continue',
    title: '100-continue',
    async try(trial) {
      const headers = { Expect: '100-continue', 'Content-Length': String(BODY.length) }
      for (const own of [headers, keyed(newKey(), headers)]) {
        const told = await ask(`${trial.url}/charge`, { body: BODY, headers: own })
        assert.equal(bytesIn(told), BODY.length)
      }
      return 'ok'
    },
  },
  {
    name: 'multipart',
    title: 'multipart',
    async try(trial) {
      const question = {
        body: FORM,
        headers: { 'Content-Type': MULTIPART, 'Content-Length': String(FORM.length) },
      }
      return arrived(await twice(trial, 'charge', { status: 201, body: RESPONSE }, question), FORM.length)
    },
  },
  {
    name: 'upload',
    title: '100 MiB to it',
    async try({ url }) {
      const block = Buffer.alloc(1_048_576, 'x')
      const body = Readable.from(Array.from({ length: LARGE / block.length }, () => block))
      const headers = { 'Content-Length': String(LARGE) }
      return arrived(await ask(`${url}/charge`, { body, headers }), LARGE)
    },
  },
  {
    name: 'head',
    title: 'HEAD, 204, 304',
    async try(trial) {
      const agent = oneConnection()
      const get = (method: string, path: string, headers = {}) =>
        ask(`${trial.url}/${path}`, { method, agent, headers })
      // A body that does not belong there would be the beginning of the next response.
      for (const [method, path, status] of [
        ['HEAD', 'charge', [200, 201]],
        ['GET', 'no-content', [204]],
        ['GET', 'not-modified', [304]],
        ['GET', 'charge', [201]],
      ] as const) {
        const told = await get(method, path, path === 'not-modified' ? { 'If-None-Match': '"1"' } : {})
        assert.ok(
          status.some((one) => one === told.status),
          `${method} ${path}: ${told.status}`,
        )
        assert.equal(
          told.bytes > 0,
          method === 'GET' && path === 'charge',
          `${method} ${path}: ${told.bytes} bytes`,
        )
      }
      agent.destroy()
      assert.equal((await twice(trial, 'no-content', { status: 204 })).bytes, 0)
      return 'ok'
    },
  },
  replayed('chunked', 'without a length', 200),
  replayed('interim', '103', 201),
  replayed('trailers', 'trailers', 200),
  {
    name: 'events',
    title: 'event stream',
    async try(trial) {
      const told = await streamed(trial, 'events')
      assert.equal(told.text, 'data: 1\n\ndata: 2\n\ndata: 3\n\n')
      return 'ok'
    },
  },
  {
    name: 'large',
    title: '100 MiB from it',
    async try(trial) {
      const told = await streamed(trial, 'large')
      assert.deepEqual([told.bytes, told.isX], [LARGE, true])
      return 'ok'
    },
  },
]

/** A response in a form of its own, which a retry gets again. */
function replayed(name: string, title: string, status: number): Case {
  return {
    name,
    title,
    async try(trial) {
      await twice(trial, name, { status, body: RESPONSE })
      return 'ok'
    },
  }
}

/** A response that goes out as it comes: whole, and a retry gets 409 instead of a second run. */
async function streamed({ backend, url }: Trial, path: string): Promise<AskResult> {
  const key = newKey()
  const told = await ask(`${url}/${path}`, { body: BODY, headers: keyed(key) })
  assert.deepEqual([told.status, told.whole], [200, true], `${path}: ${told.code}`)
  const again = await ask(`${url}/${path}`, { body: BODY, headers: keyed(key) })
  assert.equal(`${again.status} ${again.code}`, '409 outcome_unknown', path)
  assert.equal(backend.runs(key).length, 1, `${path}: how often it was run`)
  return told
}

/** What a server of files is tried with. A key with GET needs --require-key. */
export const STATIC_CASES: readonly Case[] = [
  {
    name: 'static-get',
    title: 'GET, HEAD, 304, range',
    async try({ url }) {
      const agent = oneConnection()
      const get = (method: string, headers = {}) => ask(`${url}/charge`, { method, agent, headers })
      const first = await get('GET')
      assert.deepEqual([first.status, first.text], [200, 'a file'])
      const head = await get('HEAD')
      assert.deepEqual([head.status, head.bytes], [200, 0])
      const modified = first.headers['last-modified'] ?? ''
      const cached = await get('GET', { 'If-Modified-Since': modified })
      assert.ok(cached.status === 200 || cached.bytes === 0)
      const range = await get('GET', { Range: 'bytes=2-3' })
      assert.deepEqual([range.status, range.text], [206, 'fi'])
      assert.equal((await get('GET')).text, 'a file')
      agent.destroy()
      return cached.status === 304 ? 'ok' : 'no 304'
    },
  },
  {
    name: 'static-post',
    title: 'POST, replayed',
    async try({ url }) {
      const key = newKey()
      const post = () => ask(`${url}/charge`, { body: BODY, headers: keyed(key) })
      const first = await post()
      const again = await post()
      assert.deepEqual([again.status, again.text], [first.status, first.text])
      assert.ok(isReplay(again), `${first.status} is replayed`)
      return String(first.status)
    },
  },
  {
    name: 'static-large',
    title: '100 MiB from it',
    async try({ url }) {
      const told = await ask(`${url}/large`, { method: 'GET' })
      assert.deepEqual([told.bytes, told.isX, told.whole], [LARGE, true, true])
      return 'ok'
    },
  },
]
