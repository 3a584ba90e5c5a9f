import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { assertProblem, one } from '../support/raw-http.ts'
import { GOOD_BODY, newKey, type RawOrder, signedOrder } from '../support/raw-order.ts'
import { startServiceOnDatabase } from '../support/service-on-database.ts'

// Room for strings of 10^6 characters and a depth of 100,000.
const world = await startServiceOnDatabase({ RATE_LIMITS: 'none', MAX_BODY_BYTES: '1200000' })
const { port } = world
after(() => world.close())

/** The amounts of the expected orders by key: at the end the table must have no others. */
const placed = new Map<string, string>()

async function send(order: Partial<RawOrder>, key = newKey()) {
  return await one(port, signedOrder({ key, ...order }))
}

/** A valid request with the key is accepted, as if it were the first. */
async function assertFree(key: string): Promise<void> {
  const response = await send({}, key)
  assert.equal(response.status, 201, response.body)
  assert.equal(response.header('idempotent-replayed'), '')
  placed.set(key, '500')
}

type Case = [name: string, body: string | Buffer, pointer?: string]

const deep = (open: string, close: string, depth: number) => open.repeat(depth) + close.repeat(depth)
const withByte = (...bytes: number[]) =>
  Buffer.concat([
    Buffer.from('{"user_id":"a'),
    Buffer.from(bytes),
    Buffer.from('","item":"book","amount":500}'),
  ])

const NOT_JSON: Case[] = [
  ['no body', ''],
  ['white space', ' \r\n'],
  ['a word', 'order'],
  ['a form', 'user_id=user-1&item=book&amount=500'],
  ['half of it', GOOD_BODY.slice(0, -1)],
  ['data after it', `${GOOD_BODY}x`],
  ['a second document after it', `${GOOD_BODY}\n${GOOD_BODY}`],
  ['NUL after it', `${GOOD_BODY}\0`],
  ['single quotes', GOOD_BODY.replaceAll('"', "'")],
  ['a comma at the end', GOOD_BODY.replace('}', ',}')],
  ['a comment', `/**/${GOOD_BODY}`],
  ['a byte order mark', `\ufeff${GOOD_BODY}`],
  ['UTF-16', Buffer.from(GOOD_BODY, 'utf16le')],
  ['NaN', GOOD_BODY.replace('500', 'NaN')],
  ['Infinity', GOOD_BODY.replace('500', '-Infinity')],
  ['a plus sign', GOOD_BODY.replace('500', '+500')],
  ['a leading zero', GOOD_BODY.replace('500', '0500')],
  ['a hexadecimal number', GOOD_BODY.replace('500', '0x1F4')],
  ['no digit before the point', GOOD_BODY.replace('500', '.5')],
  ['no digit after the point', GOOD_BODY.replace('500', '5.')],
  ['a raw NUL in a string', GOOD_BODY.replace('book', 'a\0b')],
  ['a raw line break in a string', GOOD_BODY.replace('book', 'a\nb')],
  ['a lone continuation byte', withByte(0x80)],
  ['an overlong slash', withByte(0xc0, 0xaf)],
  ['a surrogate in UTF-8', withByte(0xed, 0xa0, 0x80)],
  ['a code point beyond Unicode', withByte(0xf4, 0x90, 0x80, 0x80)],
  ['a cut sequence', withByte(0xe2, 0x82)],
  ['a repeated member', GOOD_BODY.replace('}', ',"amount":500}'), '/amount'],
  ['a repeated member, once with escapes', GOOD_BODY.replace('}', ',"\\u0061mount":5}'), '/amount'],
  [
    'a repeated member in a nested object',
    GOOD_BODY.replace('500', '{"a":[{},{"b":1,"b":2}]}'),
    '/amount/a/1/b',
  ],
  ['__proto__ twice', GOOD_BODY.replace('}', ',"__proto__":1,"__proto__":2}'), '/__proto__'],
  ['arrays 100,000 deep', deep('[', ']', 100_000)],
  ['objects 100,000 deep', `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`],
  ['100,000 unclosed brackets', '['.repeat(100_000)],
  ['65 levels', GOOD_BODY.replace('500', deep('[', ']', 64))],
]

const amount = (text: string): Case => [
  `the amount ${text.slice(0, 50)}`,
  GOOD_BODY.replace('500', text),
  '/amount',
]
const item = (name: string, text: string): Case => [
  `an item of ${name}`,
  GOOD_BODY.replace('book', text),
  '/item',
]
const member = (text: string, pointer: string): Case => [
  `the member ${text}`,
  GOOD_BODY.replace('}', `,${text}}`),
  pointer,
]

const NOT_VALID: Case[] = [
  ['an array', `[${GOOD_BODY}]`, ''],
  ['a string', JSON.stringify(GOOD_BODY), ''],
  ['null', 'null', ''],
  ['true', 'true', ''],
  ['a number', '500', ''],
  ['an empty object', '{}', '/user_id'],
  ['an empty array', '[]', ''],
  ...[
    '0',
    '-0',
    '0.00',
    '-1',
    '-0.01',
    '0.001',
    '1.234',
    '500.000',
    '1e-3',
    '1e400',
    '1e-400',
    '1e9999',
    '-1e400',
  ].map(amount),
  ...['9007199254740993', '1234567890123456', '1'.repeat(40), `0.${'1'.repeat(40)}`, '12345678901234.56'].map(
    amount,
  ),
  ...[
    '"NaN"',
    '"Infinity"',
    '""',
    '" 5"',
    '"5 "',
    '"+5"',
    '"0x10"',
    '"1,5"',
    '"1_000"',
    '"٥"',
    '"5\\u0000"',
  ].map(amount),
  ...['null', 'true', '[500]', '{"amount":500}', '{}'].map(amount),
  item('0 characters', ''),
  item('256 characters', 'a'.repeat(256)),
  item('256 characters beyond the BMP', '😀'.repeat(256)),
  item('10^6 characters', 'a'.repeat(1_000_000)),
  item('10^6 characters in escapes', '\\n'.repeat(500_000)),
  item('NUL', 'a\\u0000b'),
  item('a line break', 'a\\nb'),
  item('ANSI codes', '\\u001b[31mred'),
  item('DEL', 'a\\u007fb'),
  item('a C1 control character', 'a\\u0085b'),
  item('a lone high surrogate', '\\ud800'),
  item('a lone low surrogate', 'a\\udc00b'),
  item('surrogates the wrong way round', '\\udc00\\ud800'),
  ['an item that is a number', GOOD_BODY.replace('"book"', '5'), '/item'],
  ['an item that is null', GOOD_BODY.replace('"book"', 'null'), '/item'],
  member('"note":"x"', '/note'),
  member('"Amount":500', '/Amount'),
  member('"":1', '/'),
  member('"a/b~c":1', '/a~1b~0c'),
  member('"__proto__":{"user_id":"user-2"}', '/__proto__'),
  member('"constructor":{"prototype":{}}', '/constructor'),
  member('"toString":1', '/toString'),
  [
    'members in __proto__ only',
    '{"__proto__":{"user_id":"user-1","item":"book","amount":500}}',
    '/__proto__',
  ],
]

test('a long name with many numbers below it is parsed in time and refused', async () => {
  // The pointers of all numbers together would take half a gigabyte.
  const body = `{"${'a'.repeat(600_000)}":[${'1,'.repeat(290_000)}1]}`
  assertProblem(await send({ body }, newKey()), 422, 'validation_failed')
})

describe('a body that is not JSON gets 400 invalid_json, and its key stays free', () => {
  for (const [name, body, pointer] of NOT_JSON) {
    test(name, async () => {
      const key = newKey()
      const { errors } = assertProblem(await send({ body }, key), 400, 'invalid_json')
      assert.equal(errors?.[0]?.pointer, pointer)
      await assertFree(key)
    })
  }
})

describe('JSON that is not an order gets 422 validation_failed, which a retry gets again', () => {
  for (const [name, body, pointer] of NOT_VALID) {
    test(name, async () => {
      const key = newKey()
      const first = await send({ body }, key)
      const { errors = [], retryable } = assertProblem(first, 422, 'validation_failed')
      assert.equal(retryable, false)
      assert.ok(
        errors.some((one) => one.pointer === pointer),
        `${pointer} in ${JSON.stringify(errors)}`,
      )
      assert.equal(first.header('idempotent-replayed'), '')

      const again = await send({ body }, key)
      assert.equal(again.body, first.body)
      assert.equal(again.header('idempotent-replayed'), 'true')
      assertProblem(again, 422, 'validation_failed')

      const { retryable: corrected } = assertProblem(await send({}, key), 409, 'idempotency_key_reused')
      assert.equal(corrected, false)
    })
  }

  test('thousands of faults give a short response', async () => {
    const members = Array.from({ length: 50_000 }, (_, n) => `"member-${n}":1`)
    const response = await send({ body: `{${members.join(',')}}` })
    assertProblem(response, 422, 'validation_failed')
    assert.ok(response.body.length < 10_000, `${response.body.length} bytes`)
  })
})

describe('an unusual but valid body places its order', () => {
  for (const [written, meant] of [
    ['1e2', '100'],
    ['1E+2', '100'],
    ['1e-2', '0.01'],
    ['0.01', '0.01'],
    ['19.90', '19.9'],
    ['"19.90"', '19.9'],
    ['"1e2"', '100'],
    ['999999999999999', '999999999999999'],
    ['9999999999999.99', '9999999999999.99'],
    ['0.10', '0.1'],
  ] as const) {
    test(`the amount ${written} is stored as ${meant}`, async () => {
      const key = newKey()
      const response = await send({ body: GOOD_BODY.replace('500', written) }, key)
      assert.equal(response.status, 201, response.body)
      // Compares text: parsing could round the amount.
      assert.ok(response.body.includes(`"amount":${meant},`), response.body)
      placed.set(key, meant)
    })
  }

  for (const [name, text] of [
    ['255 characters', 'a'.repeat(255)],
    ['255 characters beyond the BMP', '😀'.repeat(255)],
    ['one character', 'a'],
    ['markup, quotes and a backslash', '<b>&amp;\\"\\\\\'; DROP TABLE orders; --'],
    ['bidirectional control characters', '\u202ea\u2028b\ufeff'],
  ] as const) {
    test(`an item of ${name} is stored unchanged`, async () => {
      const key = newKey()
      const response = await send({ body: GOOD_BODY.replace('book', text) }, key)
      assert.equal(response.status, 201, response.body)
      assert.equal(JSON.parse(response.body).order.item, JSON.parse(`"${text}"`))
      placed.set(key, '500')
    })
  }
})

test('afterwards only the valid orders exist, and no defect was reported', async () => {
  const rows = await world.orders()
  const found = rows.map((row): [string, string] => [row.idempotency_key, row.amount]).sort()
  assert.deepEqual(found, [...placed].sort())
  assert.doesNotMatch(world.service.log(), /"level":"(error|fatal)"/)
})
