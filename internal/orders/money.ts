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
