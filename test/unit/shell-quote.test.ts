import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import fc from 'fast-check'
import { shellQuote, shellQuoteBytes } from '../../src/cli/shell-quote.ts'

/** What bash makes of each word; -i with history expansion on, as where people paste. */
function words(quoted: readonly string[]): Buffer[] {
  const script = `set -H; printf '%s\\0' ${quoted.join(' ')}\nexit\n`
  const output = execFileSync('bash', ['--norc', '--noprofile', '-i'], {
    input: script,
    env: { PATH: process.env.PATH, LC_ALL: 'C.UTF-8', PS1: '', HISTFILE: '' },
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  const parts = output.toString('latin1').split('\0').slice(0, quoted.length)
  return parts.map((part) => Buffer.from(part, 'latin1'))
}

test('any text is one word of bash, the same text', () => {
  const character = fc.oneof(
    fc.constantFrom(
      "'",
      '"',
      '\\',
      '!',
      '$',
      '`',
      '\n',
      '\t',
      '\r',
      ' ',
      '~',
      '#',
      '*',
      '{',
      '}',
      '&',
      ';',
      '@',
      'é',
      '本',
    ),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }),
  )
  const text = fc.array(character, { maxLength: 12 }).map((all) => all.join('').replaceAll('\0', ''))
  fc.assert(
    fc.property(fc.array(text, { minLength: 100, maxLength: 200 }), (texts) => {
      assert.deepEqual(words(texts.map(shellQuote)).map(String), texts)
    }),
    { numRuns: 10 },
  )
  assert.deepEqual(words(['', "it's", '!!', '!x\n', "'!$(id)`id`\t"].map(shellQuote)).map(String), [
    '',
    "it's",
    '!!',
    '!x\n',
    "'!$(id)`id`\t",
  ])
})

test('any bytes but NUL are one word of bash, the same bytes', () => {
  const bytes = Buffer.from(Array.from({ length: 255 }, (_, i) => i + 1))
  assert.deepEqual(words([shellQuoteBytes(bytes), shellQuoteBytes(Buffer.from([255, 0x61]))]), [
    bytes,
    Buffer.from([255, 0x61]),
  ])
  assert.throws(() => shellQuoteBytes(Buffer.from([0])), RangeError)
})
