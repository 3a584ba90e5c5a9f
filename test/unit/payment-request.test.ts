import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type FieldFault, ServiceError } from '../../internal/core/service-error.ts'
import { parseJsonText } from '../../internal/http/json-text.ts'
import { CURRENCIES } from '../../internal/payments/currencies.ts'
import { parsePaymentRequest } from '../../internal/payments/payment-request.ts'
import { describeApi } from '../../src/service/openapi.ts'
import { ApiDocument } from '../support/api-document.ts'

const parse = (text: string) => parsePaymentRequest(parseJsonText(Buffer.from(text)))
const PAYMENT = { amount: 500, currency: 'EUR', payment_method: 'pm_test_4242' }
const paymentWith = (changes: Record<string, unknown>) => JSON.stringify({ ...PAYMENT, ...changes })
/** The amount as it is written. */
const amountIn = (currency: string, written: string) =>
  `{"amount":${written},"currency":"${currency}","payment_method":"pm_test_4242"}`

function refusal(text: string): FieldFault[] {
  try {
    parse(text)
  } catch (error) {
    assert.ok(error instanceof ServiceError, String(error))
    assert.equal(error.code, 'validation_failed')
    assert.ok(error.errors && error.errors.length > 0 && error.errors.length <= 20)
    return error.errors
  }
  assert.fail(`accepted ${text.slice(0, 100)}`)
}

const pointers = (text: string) => refusal(text).map(({ pointer }) => pointer)

test('a payment is its members, the amount as exact decimal text', () => {
  const whole = { ...PAYMENT, description: 'Rechnung 4711 ü', metadata: { invoice: '4711', '': '' } }
  assert.deepEqual(
    parse(paymentWith({ description: 'Rechnung', metadata: { invoice: '4711', empty: '' } })),
    {
      ...PAYMENT,
      amount: '500',
      description: 'Rechnung',
      metadata: { invoice: '4711', empty: '' },
    },
  )
  assert.deepEqual(pointers(JSON.stringify(whole)), ['/metadata'])
  assert.deepEqual(parse(amountIn('EUR', '19.90')), { ...PAYMENT, amount: '19.9' })
  assert.deepEqual(parse(amountIn('EUR', '"19.90"')), { ...PAYMENT, amount: '19.9' })
})

describe('an amount has at most the decimals of its currency', () => {
  const FINEST: Record<string, [taken: string, refused: string]> = {
    JPY: ['1', '0.1'],
    UYI: ['1', '1.0'],
    USD: ['0.01', '0.001'],
    IQD: ['0.001', '0.0001'],
    BHD: ['0.001', '1.0000'],
    CLF: ['0.0001', '0.00001'],
  }
  for (const [currency, [taken, refused]] of Object.entries(FINEST)) {
    test(`${currency} takes ${taken} and not ${refused}`, () => {
      for (const write of [(one: string) => one, (one: string) => `"${one}"`]) {
        assert.equal(parse(amountIn(currency, write(taken))).amount, taken)
        assert.deepEqual(pointers(amountIn(currency, write(refused))), ['/amount'])
      }
    })
  }

  test('every currency accepts its smallest amount and refuses a smaller one', () => {
    for (const [currency, decimals] of CURRENCIES) {
      const finest = decimals === 0 ? '1' : `0.${'0'.repeat(decimals - 1)}1`
      assert.equal(parse(amountIn(currency, finest)).amount, finest)
      assert.deepEqual(pointers(amountIn(currency, decimals === 0 ? '1.1' : `${finest}1`)), ['/amount'])
    }
  })

  test('at most 15 significant digits, more than 0, no rounding', () => {
    assert.equal(parse(amountIn('CLF', '99999999999.9999')).amount, '99999999999.9999')
    assert.equal(parse(amountIn('JPY', '999999999999999')).amount, '999999999999999')
    for (const written of [
      '0',
      '-1',
      '1e15',
      '9007199254740993',
      '1e400',
      '0.00',
      '1e-400',
      '100000000000.0001',
    ]) {
      assert.deepEqual(pointers(amountIn('CLF', written)), ['/amount'], written)
    }
    for (const written of ['null', 'true', '[1]', '{}', '"NaN"', '" 1"', '""', '"1,5"', '"０"']) {
      assert.deepEqual(pointers(amountIn('EUR', written)), ['/amount'], written)
    }
  })
})

test('the currencies are those of ISO 4217 that are active', () => {
  assert.equal(CURRENCIES.size, 165)
  for (const code of CURRENCIES.keys()) assert.match(code, /^[A-Z]{3}$/)
  for (const currency of [
    'eur',
    'EU',
    'EURO',
    '',
    ' EUR',
    'XXX',
    'XAU',
    'HRK',
    'BGN',
    'ANG',
    'ZWL',
    '978',
    'toString',
    'É€R',
  ]) {
    assert.deepEqual(pointers(paymentWith({ currency })), ['/currency'], currency)
  }
  for (const currency of [null, 978, ['EUR'], { EUR: 1 }, true]) {
    assert.deepEqual(pointers(paymentWith({ currency })), ['/currency'])
  }
})

describe('description and payment_method', () => {
  const WRONG = [
    '',
    'x'.repeat(256),
    '😀'.repeat(256),
    'a\u0000b',
    'a\nb',
    '\u007f',
    '\u0085',
    '\ud800',
    1,
    null,
    ['x'],
    {},
  ]
  for (const name of ['description', 'payment_method']) {
    test(`${name} takes 1 to 255 characters and no control characters`, () => {
      for (const wrong of WRONG) assert.deepEqual(pointers(paymentWith({ [name]: wrong })), [`/${name}`])
      for (const one of ['a', 'é', '漢', '😀']) parse(paymentWith({ [name]: one.repeat(255) }))
    })
  }
})

describe('metadata', () => {
  const pairs = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, n) => [`name${n}`, 'value']))

  test('takes 50 pairs, names of 40 characters and values of 500', () => {
    const most = { ...pairs(49), ['n'.repeat(40)]: '😀'.repeat(500) }
    assert.deepEqual(parse(paymentWith({ metadata: most })).metadata, most)
    assert.deepEqual(parse(paymentWith({ metadata: {} })).metadata, {})
    const odd = { 'a/b~c': '\u0000\n"\\', constructor: 'x', '😀': '' }
    assert.deepEqual(parse(paymentWith({ metadata: odd })).metadata, odd)
  })

  test('refuses anything else', () => {
    for (const metadata of [
      null,
      [],
      'x',
      1,
      true,
      pairs(51),
      { '': 'x' },
      { ['n'.repeat(41)]: 'x' },
      { 'a\nb': 'x' },
    ]) {
      assert.deepEqual(pointers(paymentWith({ metadata })), ['/metadata'])
    }
    for (const value of [1, null, true, {}, ['x'], 'x'.repeat(501), '\ud800']) {
      assert.deepEqual(pointers(paymentWith({ metadata: { name: value } })), ['/metadata/name'])
    }
    const proto = `${JSON.stringify(PAYMENT).slice(0, -1)},"metadata":{"__proto__":"x"}}`
    assert.deepEqual(pointers(proto), ['/metadata'])
    const object = `${JSON.stringify(PAYMENT).slice(0, -1)},"metadata":{"__proto__":{"a":"x"}}}`
    assert.deepEqual(pointers(object), ['/metadata'])
  })
})

test('an invalid payment is refused with the pointer to its fault', () => {
  for (const text of ['null', '[]', '"payment"', '5', 'true']) assert.deepEqual(pointers(text), [''])
  assert.deepEqual(pointers('{}'), ['/amount', '/currency', '/payment_method'])
  assert.deepEqual(pointers('{"amount":0,"currency":1,"payment_method":2,"description":3,"metadata":4}'), [
    ...['/amount', '/currency', '/description', '/payment_method', '/metadata'],
  ])
  for (const currency of [{ toString: 1 }, { toString: null, valueOf: null }, ['EUR'], null]) {
    assert.deepEqual(pointers(paymentWith({ currency })), ['/currency'])
  }
  for (const unknown of ['Amount', 'user_id', 'idempotency_key', 'constructor']) {
    assert.deepEqual(pointers(paymentWith({ [unknown]: 1 })), [`/${unknown}`])
  }
  assert.deepEqual(pointers(`{"__proto__":1,${JSON.stringify(PAYMENT).slice(1)}`), ['/__proto__'])
  assert.deepEqual(pointers('{"__proto__":{"amount":1,"currency":"EUR","payment_method":"x"}}'), [
    ...['/amount', '/currency', '/payment_method', '/__proto__'],
  ])
})

test('every error is validation_failed and quotes no value', () => {
  fc.assert(fc.property(fc.json(), (text) => void refusal(text)))
  const text =
    '{"amount":"hunter2","currency":"hunter2","payment_method":"hunter2\\u0000","metadata":{"a":["hunter2"]}}'
  assert.doesNotMatch(JSON.stringify(refusal(text)), /hunter2/)
})

test('every accepted payment matches the OpenAPI document', () => {
  const api = new ApiDocument(describeApi({ metricsPort: undefined }))
  for (const body of [
    paymentWith({ metadata: { a: 'b' }, description: 'x' }),
    amountIn('CLF', '"0.0001"'),
    amountIn('CLF', '0.0001'),
    amountIn('JPY', '999999999999999'),
  ]) {
    parse(body)
    api.assertValid(['components', 'schemas', 'PaymentRequest'], JSON.parse(body))
  }
  for (const body of [
    paymentWith({ currency: 'eur' }),
    paymentWith({ metadata: { a: 1 } }),
    paymentWith({ x: 1 }),
  ]) {
    assert.throws(() => api.assertValid(['components', 'schemas', 'PaymentRequest'], JSON.parse(body)))
  }
})
