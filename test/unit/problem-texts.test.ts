import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PROBLEM_TEXTS } from '../../internal/core/problem-texts.ts'
import { PROBLEMS } from '../../internal/core/service-error.ts'

const entries = new Map<string, { status: number; retryable?: boolean }>(Object.entries(PROBLEMS))

for (const [code, text] of Object.entries(PROBLEM_TEXTS)) {
  test(`the catalogue and the responses agree on ${code}`, () => {
    const entry = entries.get(code)
    assert.ok(entry)
    if (entry.retryable === true) assert.equal(text.retry, 'as it is')
    if (entry.retryable === false) assert.notEqual(text.retry, 'as it is')
    if (text.example.retryAfterMs !== undefined) assert.equal(entry.retryable, true)
    for (const part of [text.meaning, text.remedy, text.example.detail]) assert.match(part, /^.{15,}\.$/)
  })
}

test('every code has its text', () => {
  assert.deepEqual(Object.keys(PROBLEM_TEXTS).sort(), Object.keys(PROBLEMS).sort())
})
