import { z } from 'zod'

/** What is wrong with an amount, in words for the partner. */
export class AmountFault extends Error {}

const JSON_NUMBER = /^(-?)(0|[1-9]\d*)(?:\.(\d+))?(?:[eE]([+-]?\d{1,3}))?$/
const MAX_DIGITS = 15
const MAX_DECIMALS = 2

/**
 * An amount of money from its text (the JSON number as it was written) as a plain decimal without trailing zeros:
 * '500.00' → '500', '5e2' → '500', '19.90' → '19.9'. Text in, text out: it never becomes a binary floating-point
 * number. At most 15 significant digits and 2 decimals as written, so that every JSON reader gets it exactly.
 */
export function parseAmount(text: string): string {
  const match = JSON_NUMBER.exec(text)
  if (match === null) throw new AmountFault('must be a decimal number like 19.90')
  const [, sign, whole = '', fraction = '', exponent = '0'] = match
  const digits = (whole + fraction).replace(/^0+/, '')
  if (digits === '') throw new AmountFault('must be more than 0')
  if (sign === '-') throw new AmountFault('must be more than 0')
  if (digits.length > MAX_DIGITS) throw new AmountFault(`must have at most ${MAX_DIGITS} significant digits`)
  const decimals = fraction.length - Number(exponent)
  if (decimals > MAX_DECIMALS) throw new AmountFault(`must have at most ${MAX_DECIMALS} decimals`)
  if (digits.length - decimals > MAX_DIGITS) throw new AmountFault(`must have at most ${MAX_DIGITS} digits`)
  if (decimals <= 0) return digits + '0'.repeat(-decimals)
  const padded = digits.padStart(decimals + 1, '0')
  return `${padded.slice(0, -decimals)}.${padded.slice(-decimals)}`.replace(/\.?0+$/, '')
}

/** What the rules allow as a JSON number; the decimals and digits between the bounds are counted in its text. */
export const amountNumber = z
  .number()
  .min(0.01)
  .max(999_999_999_999_999)
  .meta({
    description: `At most ${MAX_DIGITS} significant digits and ${MAX_DECIMALS} decimals. Read it as a decimal, never as binary floating point.`,
  })

/** The rules for the text of an amount without an exponent, as one pattern. */
const PLAIN_AMOUNT =
  '^(?:[1-9]\\d{0,14}|[1-9]\\d{0,13}\\.\\d|[1-9]\\d{0,12}\\.\\d\\d|0\\.(?:[1-9]\\d?|0[1-9]))$'

/**
 * An amount in a body: a number, or the same in a string. Of a number, too, the text is what it takes: whoever
 * validates puts in the number as it was written (`JsonBody.numbers`). The result is the exact decimal text.
 */
export const amount = z
  .union(
    [amountNumber, z.string().meta({ description: 'The same as a string', pattern: PLAIN_AMOUNT })],
    'must be a number, or a number in a string',
  )
  .transform((written, context) => {
    if (typeof written === 'number') throw new Error('an amount came without the text that it was written as')
    try {
      return parseAmount(written)
    } catch (error) {
      if (!(error instanceof AmountFault)) throw error
      context.addIssue({ code: 'custom', message: error.message })
      return z.NEVER
    }
  })
