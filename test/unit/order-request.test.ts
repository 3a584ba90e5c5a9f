import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type FieldFault, ServiceError } from '../../internal/core/service-error.ts'
import { parseJsonText } from '../../internal/http/json-text.ts'
import { parseOrderRequest } from '../../internal/orders/order.ts'

const parse = (text: string) => parseOrderRequest(parseJsonText(Buffer.from(text)))

const ORDER = { user_id: 'user-1', item: 'book', amount: 500 }
const orderWith = (changes: Record<string, unknown>) => JSON.stringify({ ...ORDER, ...changes })

function refusal(text: string): ServiceError & { errors: FieldFault[] } {
  try {
    parse(text)
  } catch (error) {
    assert.ok(error instanceof ServiceError, String(error))
    const { errors } = error
    assert.ok(errors)
    assert.equal(error.code, 'validation_failed')
    return Object.assign(error, { errors })
  }
  assert.fail(`accepted ${text.slice(0, 100)}`)
}

test('an order is its three members, the amount as exact decimal text', () => {
  assert.deepEqual(parse('{"user_id":"user-1","item":"book","amount":500}'), { ...ORDER, amount: '500' })
  assert.deepEqual(parse('{ "amount" : 19.90, "item":"b\\u00fcch", "user_id":"ü" }'), {
    user_id: 'ü',
    item: 'büch',
    amount: '19.9',
  })
})

test('an amount is taken as it was written, as a number or the same as a string', () => {
  for (const written of ['0.1', '5e2', '999999999999999', '9999999999999.99']) {
    const asNumber = parse(`{"user_id":"u","item":"i","amount":${written}}`)
    assert.deepEqual(parse(`{"user_id":"u","item":"i","amount":"${written}"}`), asNumber)
  }
})

test('a number that binary floating point would round into the rules is refused', () => {
  for (const written of ['9007199254740993', '0.1000000000000000001', '1e400', '1e-400', '0.005']) {
    const { errors } = refusal(`{"user_id":"u","item":"i","amount":${written}}`)
    assert.deepEqual(
      errors.map(({ pointer }) => pointer),
      ['/amount'],
    )
  }
})

const character = fc.string({ unit: 'binary', minLength: 1, maxLength: 1 })
const allowed = character.filter((one) => !/[\p{Cc}\p{Cs}]/u.test(one))

test('user_id and item take 1 to 255 characters of any script', () => {
  const name = fc.string({ unit: allowed, minLength: 1, maxLength: 255 })
  fc.assert(
    fc.property(name, name, (user_id, item) => {
      assert.deepEqual(parse(orderWith({ user_id, item })), { user_id, item, amount: '500' })
    }),
  )
  for (const one of ['a', 'é', '漢', '😀']) {
    assert.equal(parse(orderWith({ item: one.repeat(255) })).item, one.repeat(255))
    assert.equal(refusal(orderWith({ item: one.repeat(256) })).errors[0]?.pointer, '/item')
  }
})

test('a control character or a lone surrogate is refused anywhere in user_id and item', () => {
  const bad = [...Array.from({ length: 32 }, (_, code) => code), 0x7f, 0x80, 0x85, 0x9f, 0xd800, 0xdfff]
  for (const code of bad) {
    for (const text of [
      String.fromCharCode(code),
      `a${String.fromCharCode(code)}`,
      `${String.fromCharCode(code)}a`,
    ]) {
      assert.equal(
        refusal(orderWith({ user_id: text })).errors[0]?.pointer,
        '/user_id',
        `U+${code.toString(16)}`,
      )
    }
  }
})

const WRONG: [text: string, pointers: string[]][] = [
  ['null', ['']],
  ['[]', ['']],
  ['"order"', ['']],
  ['5', ['']],
  ['true', ['']],
  ['[{"user_id":"u","item":"i","amount":1}]', ['']],
  ['{}', ['/user_id', '/item', '/amount']],
  ['{"user_id":1,"item":null,"amount":true}', ['/user_id', '/item', '/amount']],
  ['{"user_id":"","item":["i"],"amount":{}}', ['/user_id', '/item', '/amount']],
  ['{"user_id":"u","item":"i","amount":null}', ['/amount']],
  ['{"user_id":"u","item":"i","amount":[1]}', ['/amount']],
  ['{"user_id":"u","item":"i","amount":0}', ['/amount']],
  ['{"user_id":"u","item":"i","amount":-1}', ['/amount']],
  ['{"user_id":"u","item":"i","amount":"NaN"}', ['/amount']],
  ['{"user_id":"u","item":"i","amount":" 1"}', ['/amount']],
  ['{"user_id":"u","item":"i","amount":1.234}', ['/amount']],
  [orderWith({ Amount: 1 }), ['/Amount']],
  [orderWith({ 'a/b~c': 1 }), ['/a~1b~0c']],
  [orderWith({ constructor: 1 }), ['/constructor']],
  ['{"user_id":"u","item":"i","amount":1,"__proto__":{"item":"j"}}', ['/__proto__']],
  ['{"__proto__":{"user_id":"u","item":"i","amount":1}}', ['/user_id', '/item', '/amount', '/__proto__']],
]

for (const [text, pointers] of WRONG) {
  test(`${text} is refused at ${pointers.map((one) => one || 'the body').join(', ')}`, () => {
    const { errors, message } = refusal(text)
    assert.deepEqual(
      errors.map(({ pointer }) => pointer),
      pointers,
    )
    for (const { detail } of errors) assert.ok(message.includes(detail), message)
  })
}

test('any other member is refused and nothing is thrown but validation_failed', () => {
  const known = new Set(Object.keys(ORDER))
  const name = fc.string({ unit: 'binary', maxLength: 80 }).filter((one) => !known.has(one))
  fc.assert(
    fc.property(name, fc.jsonValue(), (unknown, value) => {
      const text = `${JSON.stringify(ORDER).slice(0, -1)},${JSON.stringify(unknown)}:${JSON.stringify(value)}}`
      assert.deepEqual(
        refusal(text).errors.map(({ detail }) => detail),
        ['is not a known member'],
      )
    }),
  )
  fc.assert(fc.property(fc.json(), (text) => void refusal(text)))
})

test('thousands of unknown members, or one with a very long name, get a short response', () => {
  const many = JSON.stringify(Object.fromEntries(Array.from({ length: 8_000 }, (_, i) => [`m${i}`, 1])))
  for (const text of [many, orderWith({ ['n'.repeat(50_000)]: null })]) {
    const { errors, message } = refusal(text)
    assert.ok(errors.length <= 20)
    assert.ok(JSON.stringify([errors, message]).length < 4_000)
  }
})

test('no refusal quotes a value', () => {
  const text = '{"user_id":"hunter2\\u0000","item":{"hunter2":1},"amount":"hunter2"}'
  const { errors, message } = refusal(text)
  assert.doesNotMatch(JSON.stringify([errors, message]), /hunter2/)
})
