import { z } from 'zod'
import { amountOf, MAX_DIGITS } from '../core/money.ts'

const MAX_DECIMALS = 2

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

/** The amount of an order: the exact decimal text of it, with at most 2 decimals in any currency. */
export const amount = amountOf(
  MAX_DECIMALS,
  amountNumber,
  z.string().meta({ description: 'The same as a string', pattern: PLAIN_AMOUNT }),
)
