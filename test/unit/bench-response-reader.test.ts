import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ResponseReader } from '../bench/response-reader.ts'

const PLAIN = 'HTTP/1.1 201 Created\r\ncontent-length: 4\r\n\r\nbody'
const EMPTY = 'HTTP/1.1 304 Not Modified\r\nContent-Length: 0\r\n\r\n'
const CHUNKED = 'HTTP/1.1 409 Conflict\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n'
const EMPTY_CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'

/** The statuses that were seen when each piece had been taken. */
function read(...pieces: string[]): number[][] {
  const seen: number[] = []
  const reader = new ResponseReader((status) => seen.push(status))
  return pieces.map((piece) => {
    reader.take(Buffer.from(piece))
    return [...seen]
  })
}

test('a response counts when its last byte is there, wherever it was cut', () => {
  for (const response of [PLAIN, EMPTY, CHUNKED, EMPTY_CHUNKED]) {
    const status = Number(response.slice(9, 12))
    assert.deepEqual(read(response), [[status]])
    for (let cut = 1; cut < response.length; cut++) {
      assert.deepEqual(
        read(response.slice(0, cut), response.slice(cut)),
        [[], [status]],
        `${response}, cut at ${cut}`,
      )
    }
  }
})

test('responses follow each other', () => {
  assert.deepEqual(read(PLAIN, CHUNKED, EMPTY), [[201], [201, 409], [201, 409, 304]])
  assert.deepEqual(read(...CHUNKED, ...PLAIN).at(-1), [409, 201])
})

test('what has no end that can be seen, or more bytes than it says, is refused', () => {
  assert.throws(() => read('HTTP/1.1 200 OK\r\n\r\n'), /whose end/)
  assert.throws(() => read('HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n'), /whose end/)
  assert.throws(() => read(`${PLAIN}HTTP/1.1`), /more bytes/)
})
