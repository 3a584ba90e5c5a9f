import assert from 'node:assert/strict'
import { test } from 'node:test'
import { transactionWatch } from '../../internal/database/server-socket.ts'

function message(type: string, content: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.write(type)
  head.writeUInt32BE(4 + content.length, 1)
  return Buffer.concat([head, content])
}

const row = message('D', Buffer.from('Z\0\0\0\x05T, as a row may have it'))
const stream = (status: string) =>
  Buffer.concat([
    row,
    message('C', Buffer.from('INSERT 0 1\0')),
    message('1', Buffer.alloc(0)),
    message('Z', Buffer.from(status)),
  ])

test('an open transaction is seen however the bytes are cut, and never where there is none', () => {
  for (const [status, expected] of [
    ['I', false],
    ['T', true],
    ['E', true],
  ] as const) {
    const bytes = Buffer.concat([stream('I'), stream(status)])
    for (let cut = 0; cut <= bytes.length; cut++) {
      for (const size of [1, 7, bytes.length]) {
        const isOpen = transactionWatch()
        const chunks: Buffer[] = [bytes.subarray(0, cut)]
        for (let at = cut; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size))
        const seen = chunks.map((chunk) => isOpen(chunk))
        assert.equal(seen.some(Boolean), expected, `${status}, cut at ${cut}, then by ${size}`)
      }
    }
  }
})
