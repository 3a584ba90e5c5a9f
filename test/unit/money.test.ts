import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AmountFault, parseAmount as parse } from '../../internal/core/money.ts'

/** With the decimals of an order. */
const parseAmount = (text: string) => parse(text, 2)

const ACCEPTED: Record<string, string> = {
  '500': '500',
  '500.0': '500',
  '500.00': '500',
  '5e2': '500',
  '5E+2': '500',
  '50e1': '500',
  '5000e-1': '500',
  '19.9': '19.9',
  '19.90': '19.9',
  '0.01': '0.01',
  '1e-2': '0.01',
  '0.10': '0.1',
  '0.05': '0.05',
  '10': '10',
  '100.50': '100.5',
  '0.001e1': '0.01',
  '0.1e1': '1',
  '1.005e1': '10.05',
  '999999999999999': '999999999999999',
  '9999999999999.99': '9999999999999.99',
  '1e14': '100000000000000',
  '0.30': '0.3',
}

const REFUSED: Record<string, RegExp> = {
  '': /must be a decimal number/,
  ' 1': /must be a decimal number/,
  '1 ': /must be a decimal number/,
  '1\n': /must be a decimal number/,
  '1,5': /must be a decimal number/,
  '.5': /must be a decimal number/,
  '5.': /must be a decimal number/,
  '05': /must be a decimal number/,
  '+5': /must be a decimal number/,
  '0x10': /must be a decimal number/,
  '1_000': /must be a decimal number/,
  NaN: /must be a decimal number/,
  Infinity: /must be a decimal number/,
  '１': /must be a decimal number/,
  '1e': /must be a decimal number/,
  '1e1000': /must be a decimal number/,
  '--1': /must be a decimal number/,
  '0': /more than 0/,
  '0.00': /more than 0/,
  '0e5': /more than 0/,
  '-0': /more than 0/,
  '-1': /more than 0/,
  '-0.01': /more than 0/,
  '0.001': /at most 2 decimals/,
  '1.234': /at most 2 decimals/,
  '500.000': /at most 2 decimals/,
  '1e-3': /at most 2 decimals/,
  '1e-999': /at most 2 decimals/,
  '9007199254740993': /at most 15 significant digits/,
  '1234567890123456': /at most 15 significant digits/,
  '99999999999999.99': /at most 15 significant digits/,
  ['1'.repeat(40)]: /at most 15 significant digits/,
  '1e15': /at most 15 digits/,
  '1e400': /at most 15 digits/,
}

for (const [written, amount] of Object.entries(ACCEPTED)) {
  test(`${written} is ${amount}`, () => assert.equal(parseAmount(written), amount))
}

for (const [written, rule] of Object.entries(REFUSED)) {
  test(`${JSON.stringify(written)} is refused: ${rule.source}`, () => {
    assert.throws(
      () => parseAmount(written),
      (error) => error instanceof AmountFault && rule.test(error.message),
    )
  })
}

/** The value in units of 10^-1000, exactly; every exponent of the grammar fits. */
function exact(text: string): bigint {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? []
  const places = 1_000 - fraction.length + Number(exponent)
  assert.ok(whole !== '' && places >= 0, `not a number: ${text}`)
  return BigInt(sign + whole + fraction) * 10n ** BigInt(places)
}

const digits = (maxLength: number) =>
  fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength }).map((list) => list.join(''))

/** JSON numbers around the limits, so that about half are accepted. */
const jsonNumber = fc
  .record({
    sign: fc.constantFrom('', '', '', '', '-'),
    whole: digits(16).map((text) => text.replace(/^0+(?=\d)/, '')),
    fraction: fc.option(digits(4), { nil: undefined }),
    exponent: fc.option(
      fc.tuple(fc.constantFrom('e', 'E', 'e+', 'E-', 'e-'), fc.integer({ min: 0, max: 16 })),
      { nil: undefined, freq: 1 },
    ),
  })
  .map(
    ({ sign, whole, fraction, exponent }) =>
      `${sign}${whole}${fraction === undefined ? '' : `.${fraction}`}${exponent?.join('') ?? ''}`,
  )

function tryParse(written: string): string | AmountFault {
  try {
    return parseAmount(written)
  } catch (error) {
    assert.ok(error instanceof AmountFault, String(error))
    return error
  }
}

test('an accepted amount is exactly the number that was written, and no more than 15 digits and 2 decimals', () => {
  let accepted = 0
  fc.assert(
    fc.property(jsonNumber, (written) => {
      const amount = tryParse(written)
      if (amount instanceof AmountFault) return
      accepted++
      assert.equal(exact(amount), exact(written))
      assert.ok(exact(amount) > 0n)
      assert.match(amount, /^(0|[1-9]\d*)(\.\d?[1-9])?$/, 'plain, without zeros that say nothing')
      assert.ok(amount.replace('.', '').replace(/^0+/, '').length <= 15)
    }),
    { numRuns: 5_000 },
  )
  assert.ok(accepted > 1_000, `only ${accepted} were accepted`)
})

test('every JSON reader gets an accepted amount exactly', () => {
  fc.assert(
    fc.property(jsonNumber, (written) => {
      const amount = tryParse(written)
      if (amount instanceof AmountFault) return
      assert.equal(JSON.stringify(JSON.parse(amount)), amount)
    }),
    { numRuns: 5_000 },
  )
})

function exactCents(count: bigint): string {
  const text = String(count).padStart(3, '0')
  return `${text.slice(0, -2)}.${text.slice(-2)}`
}

test('every amount in cents up to 15 digits is accepted however it is written', () => {
  const cents = fc.bigInt({ min: 1n, max: 999_999_999_999_999n })
  fc.assert(
    fc.property(cents, fc.integer({ min: 0, max: 5 }), (count, shift) => {
      const text = String(count).padStart(3 + shift, '0')
      const plain = exactCents(count)
      const shifted = `${text.slice(0, -2 - shift)}.${text.slice(-2 - shift)}e${shift}`.replace(
        /^0+(?=\d)/,
        '',
      )
      const amount = parseAmount(plain)
      assert.equal(exact(amount), exact(plain))
      assert.equal(parseAmount(`${count}e-2`), amount)
      assert.equal(parseAmount(shifted), amount)
      assert.equal(parseAmount(amount), amount)
    }),
    { numRuns: 2_000 },
  )
})

test('no text whatsoever makes it throw anything but an AmountFault', () => {
  const likely = fc.string({ unit: fc.constantFrom('0', '1', '9', '.', '-', '+', 'e', 'E', ' ', 'N') })
  fc.assert(
    fc.property(fc.oneof(fc.string(), likely), (text) => {
      const amount = tryParse(text)
      if (typeof amount === 'string') assert.equal(exact(amount), exact(text))
    }),
    { numRuns: 5_000 },
  )
})
