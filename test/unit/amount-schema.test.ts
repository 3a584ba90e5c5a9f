import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { parseJsonText } from '../../internal/http/json-text.ts'
import { amount } from '../../internal/orders/money.ts'
import { parseOrderRequest } from '../../internal/orders/order.ts'
import { describeApi } from '../../src/service/openapi.ts'
import { ApiDocument } from '../support/api-document.ts'

const api = new ApiDocument(describeApi({ metricsPort: undefined }))
const orderWith = (written: string) => `{"user_id":"u","item":"i","amount":${written}}`

function isTaken(written: string): boolean {
  try {
    parseOrderRequest(parseJsonText(Buffer.from(orderWith(written))))
    return true
  } catch {
    return false
  }
}

function isDescribed(written: string): boolean {
  try {
    api.assertValid(['components', 'schemas', 'OrderRequest'], JSON.parse(orderWith(written)))
    return true
  } catch {
    return false
  }
}

/** Decimals around the limits: up to 17 digits, up to 4 decimals, zeros in all places. */
const decimal = fc
  .tuple(fc.stringMatching(/^(0|[1-9]\d{0,16})$/), fc.stringMatching(/^(\.\d{1,4})?$/))
  .map(([whole, fraction]) => whole + fraction)

describe('the schema of an amount in the OpenAPI document', () => {
  test('has exactly the strings without exponent that the service takes', () => {
    for (const written of [
      '0',
      '0.0',
      '0.00',
      '0.01',
      '0.10',
      '1.',
      '01',
      '-1',
      '+1',
      '1,5',
      '',
      ' 1',
      '1e2x',
    ]) {
      assert.equal(isDescribed(`"${written}"`), isTaken(`"${written}"`), written)
    }
    for (const digits of [14, 15, 16].map((count) => '9'.repeat(count))) {
      for (const written of [digits, digits.replace(/9$/, '.9'), digits.replace(/99$/, '.99')]) {
        for (const one of [written, `${written.slice(0, 1)}${written}`]) {
          assert.equal(isDescribed(`"${one}"`), isTaken(`"${one}"`), one)
        }
      }
    }
    fc.assert(
      fc.property(decimal, (text) => isDescribed(`"${text}"`) === isTaken(`"${text}"`)),
      { numRuns: 2_000 },
    )
  })

  test('has every number that the service takes', () => {
    for (const written of ['0.01', '999999999999999', '9999999999999.99', '5e2', '1E-2']) {
      assert.ok(isTaken(written) && isDescribed(written), written)
    }
    fc.assert(
      fc.property(decimal, (text) => !isTaken(text) || isDescribed(text)),
      { numRuns: 2_000 },
    )
  })

  test('has no number out of bounds, and nothing but numbers and strings', () => {
    for (const written of ['0', '-1', '0.001', '1e15', '1e300', 'null', 'true', '[1]', '{}']) {
      assert.ok(!isTaken(written) && !isDescribed(written), written)
    }
  })
})

test('an amount whose text was lost is a defect, never a rounded amount', () => {
  assert.throws(() => amount.safeParse(19.9), /without the text/)
})
