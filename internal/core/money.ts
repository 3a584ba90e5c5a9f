import { z } from 'zod'

/** The digits that a binary floating-point number keeps, so that every JSON parser gets the exact amount. */
export const MAX_DIGITS = 15
const TOO_MANY_DIGITS = `must have at most ${MAX_DIGITS} significant digits: round the result of a calculation (in binary floating point 19.99 * 3 is 59.970000000000006), or send the amount as a string like "59.97"`

/** What is wrong with an amount, as text for the client. */
export class AmountFault extends Error {}

const JSON_NUMBER = /^(-?)(0|[1-9]\d*)(?:\.(\d+))?(?:[eE]([+-]?\d{1,3}))?$/

/**
 * Parses an amount (the text of the JSON number) to a plain decimal without trailing zeros:
 * '500.00' → '500', '5e2' → '500', '19.90' → '19.9'. It is never converted to a binary floating-point number. At most 15 significant digits and `maxDecimals` decimals as written. Throws AmountFault.
 */
export function parseAmount(text: string, maxDecimals: number): string {
  const match = JSON_NUMBER.exec(text)
  if (match === null) throw new AmountFault('must be a decimal number like 19.90')
  const [, sign, whole = '', fraction = '', exponent = '0'] = match
  const digits = (whole + fraction).replace(/^0+/, '')
  if (digits === '') throw new AmountFault('must be more than 0')
  if (sign === '-') throw new AmountFault('must be more than 0')
  if (digits.length > MAX_DIGITS) throw new AmountFault(TOO_MANY_DIGITS)
  const decimals = fraction.length - Number(exponent)
  if (decimals > maxDecimals) throw new AmountFault(tooManyDecimals(maxDecimals))
  if (digits.length - decimals > MAX_DIGITS) throw new AmountFault(`must have at most ${MAX_DIGITS} digits`)
  if (decimals <= 0) return digits + '0'.repeat(-decimals)
  const padded = digits.padStart(decimals + 1, '0')
  return `${padded.slice(0, -decimals)}.${padded.slice(-decimals)}`.replace(/\.?0+$/, '')
}

function tooManyDecimals(max: number): string {
  if (max === 0) return 'must have no decimals'
  return `must have at most ${max} decimals`
}

/**
 * The schema of an amount in a body: a number, or a string with one. The caller must replace a number by its text
 * (`JsonBody.numbers`) before validation. The result is the exact decimal text.
 */
export function amountOf(maxDecimals: number, number: z.ZodNumber, string: z.ZodString) {
  return z
    .union([number, string], 'must be a number, or a number in a string')
    .transform((written, context) => {
      if (typeof written === 'number')
        throw new Error('an amount came without the text that it was written as')
      try {
        return parseAmount(written, maxDecimals)
      } catch (error) {
        if (!(error instanceof AmountFault)) throw error
        context.addIssue({ code: 'custom', message: error.message })
        return z.NEVER
      }
    })
}
