import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ServiceError } from '../../internal/core/service-error.ts'
import { parseJsonText } from '../../internal/http/json-text.ts'

/** Characters that are significant in JSON. */
const PUNCTUATION = ['{', '}', '[', ']', ',', ':', '"', '\\'] as const

const parse = (text: string) => parseJsonText(Buffer.from(text))

function refusal(bytes: Buffer | string): ServiceError {
  try {
    parseJsonText(Buffer.from(bytes))
  } catch (error) {
    assert.ok(error instanceof ServiceError, `not ${String(error)}`)
    assert.equal(error.code, 'invalid_json')
    return error
  }
  assert.fail(`accepted ${bytes.toString('utf8').slice(0, 100)}`)
}

/** Every place of a value, by RFC 6901: its pointer and what is there. */
function* placesOf(value: unknown, pointer = ''): Iterable<[pointer: string, there: unknown]> {
  yield [pointer, value]
  if (typeof value !== 'object' || value === null) return
  for (const [name, part] of Object.entries(value)) {
    yield* placesOf(part, `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`)
  }
}

/** Each number is found at its pointer as written, and no other pointer finds a number. */
function checkNumbers({ value, numbers }: ReturnType<typeof parse>): void {
  for (const [pointer, there] of placesOf(value)) {
    const written = numbers.get(pointer)
    assert.equal(
      written === undefined ? undefined : Number(written),
      typeof there === 'number' ? there : undefined,
    )
    assert.equal(numbers.get(`${pointer}/none`), undefined)
  }
}

const writtenIn = (text: string, ...pointers: string[]) => {
  const { numbers } = parse(text)
  return Object.fromEntries(pointers.map((pointer) => [pointer, numbers.get(pointer)]))
}

test('the value is that of JSON.parse, and every number is found as written', () => {
  const space = fc.constantFrom('', ' ', '\t', '\n  ')
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), space, (value, indent) => {
      const text = JSON.stringify(value, null, indent)
      const json = parse(text)
      assert.deepEqual(json.value, JSON.parse(text))
      checkNumbers(json)
    }),
    { numRuns: 1_000 },
  )
})

test('numbers are found with names and strings of any characters', () => {
  const nasty = fc.string({
    unit: fc.constantFrom(...PUNCTUATION, '/', '~', '1', '-', ' ', 'é', '\u2028', '\0', '😀'),
  })
  fc.assert(
    fc.property(fc.dictionary(nasty, fc.oneof(nasty, fc.integer(), fc.array(fc.integer()))), (value) => {
      const text = JSON.stringify(value)
      const json = parse(text)
      assert.deepEqual(json.value, JSON.parse(text))
      checkNumbers(json)
    }),
    { numRuns: 1_000 },
  )
})

test('numbers keep digits that binary floating point would lose', () => {
  const text = '{"a":0.10,"b":[1e2,-0,{"c/d":9007199254740993}],"":1E400,"~":12345678901234567890.5}'
  const places = ['/a', '/b/0', '/b/1', '/b/2/c~1d', '/', '/~0']
  assert.deepEqual(writtenIn(text, ...places), {
    '/a': '0.10',
    '/b/0': '1e2',
    '/b/1': '-0',
    '/b/2/c~1d': '9007199254740993',
    '/': '1E400',
    '/~0': '12345678901234567890.5',
  })
  assert.equal(parse(' 7 ').numbers.get(''), '7')
  const none = undefined
  assert.deepEqual(writtenIn(text, '', '/b', '/b/3', '/b/00', '/b/-1', '/b/2', '/b/0/0', '/c', 'a'), {
    '': none,
    '/b': none,
    '/b/3': none,
    '/b/00': none,
    '/b/-1': none,
    '/b/2': none,
    '/b/0/0': none,
    '/c': none,
    a: none,
  })
  assert.equal(parse('"7"').numbers.get(''), undefined)
  assert.deepEqual(writtenIn('{"7":"8","9":true}', '/7', '/9'), { '/7': none, '/9': none })
})

test('text is accepted exactly if JSON.parse accepts it and no member is repeated', () => {
  const token = fc.constantFrom(...PUNCTUATION, 'a', '1', '-', '.', 'e', 'null', ' ', '\u00a0')
  fc.assert(
    fc.property(fc.array(token, { maxLength: 12 }), (tokens) => {
      const text = tokens.join('')
      let expected: unknown
      try {
        expected = JSON.parse(text)
      } catch {
        refusal(text)
        return
      }
      try {
        assert.deepEqual(parse(text).value, expected)
      } catch (error) {
        if (!(error instanceof ServiceError)) throw error
        assert.match(error.message, /repeated member/)
      }
    }),
    { numRuns: 5_000 },
  )
})

const TWICE: [text: string, pointer: string][] = [
  ['{"a":1,"a":1}', '/a'],
  ['{"a":1,"b":2,"a":3}', '/a'],
  ['{"":1,"":2}', '/'],
  ['{"a":{"b":1,"b":2}}', '/a/b'],
  ['[0,{"b":1,"b":2}]', '/1/b'],
  ['{"a":[[{"x":{"y":1,"z":2,"y":3}}]]}', '/a/0/0/x/y'],
  ['{"a":1,"\\u0061":2}', '/a'],
  ['{"\\u0061\\u006d":1,"a\\u006D":2}', '/am'],
  ['{"a/b":1,"a\\/b":2}', '/a~1b'],
  ['{"é":1,"\\u00e9":2}', '/é'],
  ['{"__proto__":1,"__proto__":2}', '/__proto__'],
  ['{"constructor":1,"constructor":2}', '/constructor'],
  ['{"a":{"a":{"a":1}},"b":1,"a":2}', '/a'],
]

for (const [text, pointer] of TWICE) {
  test(`${text} has a repeated member`, () => {
    assert.deepEqual(refusal(text).errors, [{ pointer, detail: 'appears twice' }])
  })
}

test('a member that is repeated at a random depth is found', () => {
  const name = fc.string({ minLength: 1, maxLength: 5 })
  fc.assert(
    fc.property(fc.array(name, { maxLength: 20 }), name, fc.array(name), (path, twice, between) => {
      const quote = (text: string) => JSON.stringify(text)
      const others = [...new Set(between)].filter((one) => one !== twice)
      const members = [twice, ...others, twice].map((one) => `${quote(one)}:0`)
      const text = path.reduceRight((inner, one) => `{${quote(one)}:[${inner}]}`, `{${members}}`)
      assert.match(refusal(text).message, /repeated member/)
    }),
  )
})

test('the same name in different objects is not a repetition', () => {
  for (const text of [
    '{"a":{"a":1},"b":{"a":2}}',
    '[{"a":1},{"a":2}]',
    '{"a":"a","b":"a"}',
    '{"a":1,"A":2}',
  ]) {
    assert.deepEqual(parse(text).value, JSON.parse(text))
  }
})

test('__proto__ is an ordinary member and changes no prototype', () => {
  const { value, numbers } = parse('{"__proto__":{"polluted":1},"b":{"__proto__":2}}')
  assert.deepEqual(Object.keys(value ?? {}), ['__proto__', 'b'])
  assert.equal(Object.getPrototypeOf(value), Object.prototype)
  assert.equal(Reflect.get({}, 'polluted'), undefined)
  assert.equal(numbers.get('/__proto__/polluted'), '1')
  assert.equal(numbers.get('/b/__proto__'), '2')
})

for (const [open, close] of [
  ['[', ']'],
  ['{"a":', '}'],
] as const) {
  test(`64 levels of ${open} are accepted, 65 and 100,000 are refused`, () => {
    const nested = (depth: number) => `${open.repeat(depth)}1${close.repeat(depth)}`
    checkNumbers(parse(nested(64)))
    for (const depth of [65, 100_000]) assert.match(refusal(nested(depth)).message, /deeper than 64 levels/)
  })
}

test('100,000 unclosed levels are refused', () => {
  assert.match(refusal('['.repeat(100_000)).message, /cannot be parsed/)
})

/** Far above linear time on a slow machine, far below quadratic time. */
const SOON_MS = 8_000

const LARGE: [what: string, text: () => string][] = [
  ['a string of 1 MB', () => JSON.stringify('x'.repeat(1_000_000))],
  ['a string of 8 MB of escapes', () => `"${'\\n'.repeat(4_000_000)}"`],
  ['a string of 1 MB of quotes and backslashes', () => JSON.stringify('\\"'.repeat(250_000))],
  ['a number of 1 MB', () => '1'.repeat(1_000_000)],
  ['a name of 1 MB', () => JSON.stringify({ ['n'.repeat(1_000_000)]: 'x' })],
  ['1 MB of blanks', () => `${' '.repeat(1_000_000)}1`],
  ['500,000 numbers', () => JSON.stringify(Array.from({ length: 500_000 }, () => 1))],
  [
    '50,000 members',
    () => JSON.stringify(Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`m${i}`, i]))),
  ],
]

for (const [what, make] of LARGE) {
  test(`${what} is parsed in time`, () => {
    const text = make()
    const startedMs = performance.now()
    const { value } = parse(text)
    const tookMs = performance.now() - startedMs
    assert.deepEqual(value, JSON.parse(text))
    assert.ok(tookMs < SOON_MS, `${Math.round(tookMs)} ms`)
  })
}

test('a number under very long names is found', () => {
  const name = 'n'.repeat(32_000)
  const text = `{"${name}":[${'1,'.repeat(16_000)}1]}`
  assert.equal(parse(text).numbers.get(`/${name}/16000`), '1')
})

const REFUSED: [what: string, bytes: Buffer | string, reason: RegExp][] = [
  ['nothing', '', /it is empty/],
  ['a blank', ' ', /cannot be parsed/],
  ['a BOM before a value', '\ufeff{}', /cannot be parsed/],
  ['trailing data', '{} {}', /cannot be parsed/],
  ['a trailing comma', '[1,]', /cannot be parsed/],
  ['a comment', '{}//', /cannot be parsed/],
  ['NaN', '{"amount":NaN}', /cannot be parsed/],
  ['Infinity', '-Infinity', /cannot be parsed/],
  ['a leading zero', '01', /cannot be parsed/],
  ['a leading plus', '+1', /cannot be parsed/],
  ['a raw line break in a string', '"a\nb"', /cannot be parsed/],
  ['single quotes', "{'a':1}", /cannot be parsed/],
  ['an undefined escape', '"\\x41"', /cannot be parsed/],
  ['a NUL after the value', '{}\0', /cannot be parsed/],
  ['a lone continuation byte', Buffer.from([0x22, 0x80, 0x22]), /not valid UTF-8/],
  ['an overlong slash', Buffer.from([0x22, 0xc0, 0xaf, 0x22]), /not valid UTF-8/],
  ['a surrogate in UTF-8', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), /not valid UTF-8/],
  ['a cut character', Buffer.from('"é').subarray(0, 2), /not valid UTF-8/],
  ['UTF-16', Buffer.from('"\u00ff"', 'utf16le'), /not valid UTF-8/],
]

for (const [what, bytes, reason] of REFUSED) {
  test(`${what} is refused`, () => assert.match(refusal(bytes).message, reason))
}

test('no refusal quotes the body', () => {
  const secret = 'hunter2hunter2'
  for (const text of [
    secret,
    `{"a":"${secret}"`,
    `["${secret}",]`,
    `{"a":"${secret}","a":"${secret}"}`,
    `"${secret}\n"`,
  ]) {
    const { message, errors, cause } = refusal(text)
    assert.doesNotMatch(JSON.stringify([message, errors, String(cause)]), /hunter2/)
  }
})

test('the pointer of a repeated member with a very long name is shortened', () => {
  const name = JSON.stringify('n'.repeat(100_000))
  assert.ok(JSON.stringify(refusal(`{${name}:null,${name}:null}`).errors).length < 300)
})
