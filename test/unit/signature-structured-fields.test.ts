import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  parseDictionary,
  serializeBytes,
  serializeString,
} from '../../internal/signature/structured-fields.ts'

const REFUSED: Record<string, string[]> = {
  nothing: [''],
  'no lines': [],
  'a bare key': ['a'],
  'an upper-case key': ['A=1'],
  'a key that begins with a digit': ['1a=1'],
  'a repeated member': ['a=1, a=1'],
  'a member twice in two lines': ['a=1', 'a=1'],
  'a parameter twice': ['a=1;b=1;b=1'],
  'a trailing comma': ['a=1,'],
  'a leading comma': [',a=1'],
  'two members without a comma': ['a=1 b=2'],
  'an empty line among others': ['a=1', ''],
  'space around the equals sign': ['a =1'],
  'space behind the equals sign': ['a= 1'],
  'space in front of a semicolon': ['a=1 ;b=1'],
  'an open list': ['a=("x"'],
  'an open string': ['a="x'],
  'items without a space': ['a=("x""y")'],
  'a tab in a list': ['a=("x"\t"y")'],
  'a list in a list': ['a=(("x"))'],
  'a control character in a string': ['a="x\u0001"'],
  'a tab in a string': ['a="x\t"'],
  'a character beyond ASCII': ['a="é"'],
  'an unknown escape': ['a="\\n"'],
  'base64 without padding': ['a=:AA:'],
  'base64 with stray bits': ['a=:AB==:'],
  base64url: ['a=:-_-_:'],
  'base64 with a space': ['a=:AA AA:'],
  'a leading zero': ['a=01'],
  'minus zero': ['a=-0'],
  'a plus sign': ['a=+1'],
  '16 digits': ['a=1234567890123456'],
  'an exponent': ['a=1e5'],
  'garbage behind': ['a=1 x'],
}

for (const [name, lines] of Object.entries(REFUSED)) {
  test(`${name} is refused`, () => assert.equal(parseDictionary(lines), undefined))
}

test('members keep their order and type, with all their parameters', () => {
  const parsed = parseDictionary([
    ' sig-b*.1=( "a"  "b";sf );created=1;keyid="x\\"y\\\\z",s=:AAEC:;x',
    '*t=tok/en:1;q=?0;d=1.5;e=@1;f=%"a%c3%bc", n=-12 ',
  ])
  assert.ok(parsed)
  assert.deepEqual([...parsed.keys()], ['sig-b*.1', 's', '*t', 'n'])
  const list = parsed.get('sig-b*.1')
  assert.ok(list && 'items' in list)
  assert.deepEqual(
    list.items.map(({ item, parameters }) => [item, [...parameters]]),
    [
      [{ type: 'string', value: 'a' }, []],
      [{ type: 'string', value: 'b' }, [['sf', { type: 'other', value: '?1' }]]],
    ],
  )
  assert.deepEqual(
    [...list.parameters],
    [
      ['created', { type: 'integer', value: 1 }],
      ['keyid', { type: 'string', value: 'x"y\\z' }],
    ],
  )
  const bytes = parsed.get('s')
  assert.ok(bytes && 'item' in bytes)
  assert.deepEqual(bytes.item, { type: 'bytes', value: Buffer.from([0, 1, 2]) })
  assert.deepEqual([...bytes.parameters.keys()], ['x'])
  const token = parsed.get('*t')
  assert.ok(token && 'item' in token)
  assert.deepEqual(token.item, { type: 'other', value: 'tok/en:1' })
  assert.deepEqual([...token.parameters.keys()], ['q', 'd', 'e', 'f'])
})

test('serialised values are parsed back, and parsing never throws', () => {
  const printable = fc.string({
    unit: fc.integer({ min: 0x20, max: 0x7e }).map((c) => String.fromCharCode(c)),
  })
  fc.assert(
    fc.property(printable, fc.uint8Array(), (text, bytes) => {
      const value = Buffer.from(bytes)
      const parsed = parseDictionary([`a=${serializeString(text)}`, `b=${serializeBytes(value)}`])
      const items = [...(parsed?.values() ?? [])].map((member) =>
        'item' in member ? member.item : undefined,
      )
      assert.deepEqual(items, [
        { type: 'string', value: text },
        { type: 'bytes', value },
      ])
    }),
  )
  const piece = fc.constantFrom(
    'a',
    '=',
    '(',
    ')',
    '"',
    '\\',
    ':',
    ';',
    ',',
    ' ',
    '1',
    '-',
    '.',
    '%',
    '@',
    '?',
    '\n',
  )
  const noise = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(piece).map((pieces) => pieces.join('')),
  )
  fc.assert(
    fc.property(fc.array(noise, { maxLength: 3 }), (lines) => void parseDictionary(lines)),
    { numRuns: 3_000 },
  )
})

test('a long header is parsed in linear time', () => {
  const spaces = ' '.repeat(300_000)
  const started = performance.now()
  for (const text of [
    `a="${'\\"'.repeat(8_000)}`,
    `a=(${'"x" '.repeat(4_000)}`,
    `a=1${spaces}x`,
    `a=(${spaces}x`,
  ]) {
    assert.equal(parseDictionary([text]), undefined)
  }
  assert.ok(performance.now() - started < 500)
})
