import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type ProblemCode, ServiceError } from '../../internal/core/service-error.ts'
import { parseIdempotencyKey } from '../../internal/idempotency/idempotency-key.ts'

/** The key, or the code of the refusal; anything else that is thrown fails the test. */
function read(...lines: string[]): { key: string } | { refused: ProblemCode } {
  try {
    return { key: parseIdempotencyKey(lines) }
  } catch (error) {
    assert.ok(error instanceof ServiceError, String(error))
    return { refused: error.code }
  }
}

/** RFC 9651, 4.1.6: how a string is sent. */
const quoted = (key: string) => `"${key.replace(/["\\]/g, (one) => `\\${one}`)}"`

const INVALID = { refused: 'idempotency_key_invalid' } as const

const TABLE: [what: string, lines: string[], expected: ReturnType<typeof read>][] = [
  ['no header', [], { refused: 'idempotency_key_missing' }],
  ['a bare token', ['key-001'], { key: 'key-001' }],
  ['a UUID', ['8e03978e-40d5-43dd-bc93-6894a57f9324'], { key: '8e03978e-40d5-43dd-bc93-6894a57f9324' }],
  ['the same in quotes', ['"key-001"'], { key: 'key-001' }],
  ['a bare key that begins with a digit', ['001'], { key: '001' }],
  ['base64', ['aGk/+w=='], { key: 'aGk/+w==' }],
  ['a quoted space', ['"a b"'], { key: 'a b' }],
  ['quoted blanks alone', ['" "'], { key: ' ' }],
  ['an escaped quote', ['"a\\"b"'], { key: 'a"b' }],
  ['an escaped backslash', ['"a\\\\b"'], { key: 'a\\b' }],
  ['a quoted list', ['"a, b"'], { key: 'a, b' }],
  ['255 characters', ['k'.repeat(255)], { key: 'k'.repeat(255) }],
  ['255 quoted characters', [`"${'k'.repeat(255)}"`], { key: 'k'.repeat(255) }],
  ['255 escaped characters', [quoted('"'.repeat(255))], { key: '"'.repeat(255) }],
  ['256 characters', ['k'.repeat(256)], INVALID],
  ['256 quoted characters', [`"${'k'.repeat(256)}"`], INVALID],
  ['16 KiB', ['k'.repeat(16_384)], INVALID],
  ['an empty value', [''], INVALID],
  ['an empty string', ['""'], INVALID],
  ['two headers', ['a', 'b'], INVALID],
  ['the same header twice', ['a', 'a'], INVALID],
  ['a list', ['a, b'], INVALID],
  ['a list without blanks', ['a,b'], INVALID],
  ['a list of strings', ['"a", "b"'], INVALID],
  ['parameters', ['a;b=1'], INVALID],
  ['parameters of a string', ['"a";b'], INVALID],
  ['a bare space', ['a b'], INVALID],
  ['a bare quote', ['a"b'], INVALID],
  ['a bare backslash', ['a\\b'], INVALID],
  ['an unclosed string', ['"a'], INVALID],
  ['a string closed by an escaped quote', ['"a\\"'], INVALID],
  ['a lone quote', ['"'], INVALID],
  ['something after a string', ['"a"b'], INVALID],
  ['an undefined escape', ['"a\\n"'], INVALID],
  ['a tab', ['a\tb'], INVALID],
  ['a quoted tab', ['"a\tb"'], INVALID],
  ['a line break at the end', ['a\n'], INVALID],
  ['a NUL', ['a\0'], INVALID],
  ['DEL', ['a\x7f'], INVALID],
  ['Latin-1', ['schlüssel'], INVALID],
  ['quoted Latin-1', ['"schlüssel"'], INVALID],
  ['a fullwidth letter', ['ａ'], INVALID],
]

for (const [what, lines, expected] of TABLE) {
  test(`${what} is ${'key' in expected ? 'a key' : expected.refused}`, () => {
    assert.deepEqual(read(...lines), expected)
  })
}

const ASCII = Array.from({ length: 95 }, (_, i) => String.fromCharCode(0x20 + i))
const anyKey = fc.string({ unit: fc.constantFrom(...ASCII), minLength: 1, maxLength: 255 })
const bareKey = fc.string({
  unit: fc.constantFrom(...ASCII.filter((one) => !' ",;\\'.includes(one))),
  minLength: 1,
  maxLength: 255,
})

test('a bare key and the same key in quotes are one key', () => {
  fc.assert(
    fc.property(bareKey, (key) => {
      assert.deepEqual(read(key), { key })
      assert.deepEqual(read(quoted(key)), { key })
    }),
  )
})

test('every printable ASCII string of 1 to 255 characters can be sent in quotes', () => {
  fc.assert(fc.property(anyKey, (key) => assert.deepEqual(read(quoted(key)), { key })))
  for (const one of ASCII) assert.deepEqual(read(quoted(one)), { key: one })
})

test('a bare key has none of the characters that would make it a list, a string or a parameter', () => {
  for (const one of ASCII) {
    assert.deepEqual(read(`a${one}a`), ' ",;\\'.includes(one) ? INVALID : { key: `a${one}a` }, one)
  }
})

test('whatever comes, it is either refused or a key that can be sent again in quotes', () => {
  const hostile = fc.string({ unit: fc.constantFrom('"', '\\', 'a', ' ', ',', ';', '\t', '\0', 'é', '\n') })
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        hostile,
        hostile.map((text) => `"${text}"`),
      ),
      (line) => {
        const result = read(line)
        if ('refused' in result) {
          assert.deepEqual(result, INVALID)
          return
        }
        assert.match(result.key, /^[ -~]{1,255}$/)
        assert.ok(line === result.key || line === quoted(result.key), `${line} became ${result.key}`)
        assert.deepEqual(read(quoted(result.key)), result)
      },
    ),
    { numRuns: 5_000 },
  )
})

test('a refusal does not quote the key', () => {
  for (const lines of [['hunter2 hunter2'], ['hunter2', 'hunter2'], [`"${'hunter2'.repeat(100)}"`]]) {
    assert.throws(
      () => parseIdempotencyKey(lines),
      (error) => error instanceof ServiceError && !error.message.includes('hunter2'),
    )
  }
})

const REASONS: [value: string, reason: RegExp][] = [
  ['a,b', /character 2 \(,\) is allowed only in a key between double quotes/],
  ['a b', /character 2 \(a space\) is allowed only/],
  ['ab;c', /character 3 \(;\) is allowed only/],
  ['schl\u00fcssel', /character 5 \(U\+00FC\) is not printable ASCII/],
  ['a\tb', /character 2 \(U\+0009\) is not printable ASCII/],
  ['', /it is empty/],
  ['k'.repeat(256), /it has 256 characters, 1 to 255 are allowed/],
  ['"a', /begins with a double quote, and is no string of RFC 9651/],
]

for (const [value, reason] of REASONS) {
  test(`the refusal of ${JSON.stringify(value.slice(0, 12))} says ${reason.source.slice(0, 40)}`, () => {
    assert.throws(() => parseIdempotencyKey([value]), reason)
  })
}
