import assert from 'node:assert/strict'
import { createServer, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { FlatResponse } from '../../internal/http/flat-response.ts'
import { exchange } from '../support/serve-app.ts'

/** A header operation of a handler; its return value is compared. */
type Operation = (res: ServerResponse) => unknown

const name = fc.constantFrom(
  ...['X-One', 'x-one', 'X-Two', 'Content-Type', 'content-type', 'Content-Length', 'Date', 'Connection'],
  ...['Transfer-Encoding', 'Set-Cookie', 'Keep-Alive', 'no name', ''],
)
const value = fc.constantFrom<string | string[]>(
  ...['a', '', 'caf\u00e9', '2', 'close', 'tab\there', 'line\nbreak', '\u20ac', 'chunked'],
  ...[['one'], ['one', 'two'], ['one', 'two\r'], []],
)
/** After a refused head the states may differ, because Node.js applies a part of it before it throws. */
const written = fc.constantFrom<string | string[]>('a', 'caf\u00e9', 'close', ['one', 'two'])
const writtenName = fc.constantFrom('X-One', 'x-two', 'Content-Type', 'Date', 'Set-Cookie', '')
const number = fc.constantFrom(0, 2, 17)
/** Node.js changes the list that it gets, so each run gets its own copy. */
const copied = (of: string | string[]) => (typeof of === 'string' ? of : [...of])
const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.tuple(name, value).map(
    ([of, to]): Operation =>
      (res) => {
        res.setHeader(of, copied(to))
      },
  ),
  fc.tuple(fc.constantFrom('X-One', 'x-one', 'Content-Length'), number).map(
    ([of, to]): Operation =>
      (res) => {
        res.setHeader(of, to)
      },
  ),
  fc.tuple(fc.constantFrom('X-Two', 'set-cookie', 'X-Three'), value).map(
    ([of, to]): Operation =>
      (res) => {
        res.appendHeader(of, copied(to))
      },
  ),
  name.map(
    (of): Operation =>
      (res) =>
        res.removeHeader(of),
  ),
  name.map(
    (of): Operation =>
      (res) => [res.hasHeader(of), res.getHeader(of)],
  ),
  fc.constant<Operation>((res) => [res.getHeaderNames().sort(), { ...res.getHeaders() }]),
  fc.constant<Operation>((res) => res.setHeaders(new Map([['X-Map', 'm']])) === res),
)
const head: fc.Arbitrary<Operation> = fc.oneof(
  fc.constant<Operation>(() => undefined),
  fc.constantFrom(200, 204, 304, 404, 99).map(
    (status): Operation =>
      (res) => {
        res.writeHead(status)
      },
  ),
  fc.tuple(writtenName, written).map(
    ([of, to]): Operation =>
      (res) => {
        res.writeHead(201, { [of]: to })
      },
  ),
  // A repeated name in a list, after setHeader: Node.js 20 keeps the last value, newer versions keep both.
  fc
    .tuple(writtenName, written, writtenName, written)
    .filter(([one, , two]) => one.toLowerCase() !== two.toLowerCase())
    .map(
      ([one, of, two, to]): Operation =>
        (res) => {
          res.writeHead(201, 'Well Made', [one, of, two, to])
        },
    ),
  fc.constant<Operation>((res) => res.flushHeaders()),
)
const body = fc.constantFrom<Operation>(
  (res) => void res.end('ok'),
  (res) => void res.end(),
  (res) => void res.end(Buffer.from('bytes')),
  (res) => {
    res.write('ok')
    res.end('ok')
  },
)

/** Newer versions of Node.js move a header that is set again to the end. Only the order of values of one name matters. */
function inOrder(head: string): string[] {
  const [status = '', ...lines] = head.split(/\r?\n/)
  const nameOf = (line: string) => line.slice(0, line.indexOf(':')).toLowerCase()
  return [status, ...lines.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : nameOf(a) > nameOf(b) ? 1 : 0))]
}

/** Runs the operations as the handler of a request. */
async function serving(t: TestContext, options: { ServerResponse: typeof ServerResponse }) {
  let operations: Operation[] = []
  let seen: unknown[] = []
  const server = createServer(options, ({ socket }, res) => {
    // Independent of the Connection header of the handler.
    res.once('close', () => socket.end())
    for (const run of operations) {
      try {
        // A copy, because Node.js changes the list that it returned.
        seen.push(structuredClone(run(res)) ?? 'done')
      } catch (error) {
        seen.push(String(error))
      }
    }
    res.end()
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  return async (run: Operation[], method: string) => {
    operations = run
    seen = []
    const { head, body } = await exchange(
      port,
      `${method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
    )
    return { seen, head: inOrder(head.replace(/^Date: .* GMT\r?$/m, 'Date: now')), body }
  }
}

test('FlatResponse sends, returns and throws the same as ServerResponse of Node.js', async (t) => {
  const plain = await serving(t, { ServerResponse })
  const flat = await serving(t, { ServerResponse: FlatResponse })
  const method = fc.constantFrom('GET', 'HEAD')
  const handler = fc.tuple(fc.array(operation, { maxLength: 8 }), head, fc.option(operation), body)
  await fc.assert(
    fc.asyncProperty(handler, method, async ([before, first, late, last], how) => {
      const run = [...before, first, ...(late === null ? [] : [late]), last]
      assert.deepEqual(await flat(run, how), await plain(run, how))
    }),
    { numRuns: 200 },
  )
})
