import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KeyRecord } from '../../internal/idempotency/key-records.ts'
import { age, keyJson, keyLine, keyLines, logLine } from '../../src/cli/keys-text.ts'

const RECORD: KeyRecord = {
  id: { client: 'acme', scope: 'POST /a', key: 'k' },
  state: 'unknown',
  attempt: 1,
  held: 'f'.repeat(32),
  reason: 'connection_lost',
  sinceMs: 185_000,
  leaseMs: undefined,
  expiresMs: undefined,
  status: undefined,
  resolvedBy: undefined,
}

test('an age is told in its two largest units', () => {
  for (const [ms, text] of [
    [0, 'less than 1 s'],
    [999, 'less than 1 s'],
    [1_000, '1 s'],
    [59_999, '59 s'],
    [60_000, '1 min'],
    [185_000, '3 min 5 s'],
    [3_600_000, '1 h'],
    [3_605_000, '1 h'],
    [86_399_999, '23 h 59 min'],
    [187_200_000, '2 d 4 h'],
  ] as const) {
    assert.equal(age(ms), text)
  }
})

test('a record is told in words, its token never', () => {
  assert.equal(keyLine(RECORD), 'unknown      acme  "POST /a"  "k"  connection_lost, 3 min 5 s ago\n')
  assert.match(keyLines(RECORD), /^forgotten +never, until it is resolved or released$/m)
  const open: KeyRecord = {
    ...RECORD,
    state: 'in_progress',
    reason: undefined,
    leaseMs: 30_000,
    expiresMs: 60_000,
  }
  assert.match(keyLine(open), /sent 3 min 5 s ago, its lease holds for 30 s\n$/)
  const idle: KeyRecord = { ...open, sinceMs: undefined, leaseMs: 0 }
  assert.match(keyLine(idle), /"k" {2}its lease is over\n$/)
  for (const text of [keyLine(RECORD), keyLines(RECORD), JSON.stringify(keyJson(RECORD))]) {
    assert.doesNotMatch(text, /ffff/)
  }
})

test('control characters in what others wrote stay inside their line', () => {
  const evil = 'a\n\u001b[2Jb'
  const record = { ...RECORD, id: { client: 'acme', scope: evil, key: evil }, resolvedBy: evil, status: 200 }
  const completed: KeyRecord = { ...record, state: 'completed' }
  const entry = {
    client: 'acme',
    at: 'now',
    event: 'key.released',
    by: evil,
    scope: evil,
    key: evil,
    reason: evil,
  } as const
  for (const line of [keyLine(completed), logLine(entry)]) {
    assert.equal(line.split('\n').length, 2)
    assert.ok(!line.includes('\u001b'))
  }
})
