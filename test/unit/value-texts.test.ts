import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseBytes, parseTime } from '../../internal/database/value-texts.ts'

test('only ISO times are accepted', () => {
  assert.equal(parseTime('2026-03-22 12:37:20.001+00').toISOString(), '2026-03-22T12:37:20.001Z')
  assert.equal(parseTime('2026-03-22').toISOString(), '2026-03-22T00:00:00.000Z')
  assert.ok(Number.isNaN(parseTime('infinity').getTime()))
  for (const other of [
    '22/03/2026 12:37:20 UTC',
    '22.03.2026 12:37:20 UTC',
    'Sun 22 Mar 12:37:20 2026 UTC',
  ]) {
    assert.throws(() => parseTime(other), /DateStyle of the session must be ISO/)
  }
})

test('all bytes are parsed in both formats', () => {
  const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
  assert.deepEqual(parseBytes(`\\x${all.toString('hex')}`), all)
  const escaped = [...all].map((byte) => {
    if (byte === 0x5c) return '\\\\'
    return byte < 32 || byte > 126 ? `\\${byte.toString(8).padStart(3, '0')}` : String.fromCharCode(byte)
  })
  assert.deepEqual(parseBytes(escaped.join('')), all)
  assert.deepEqual(parseBytes(''), Buffer.alloc(0))
})
