import { z } from 'zod'
import { amountOf } from '../core/money.ts'
import { parseBody, withWritten } from '../core/parse-body.ts'
import type { JsonBody } from '../core/request-state.ts'
import { plain } from './payment-request.ts'

/** Of an amount without a currency: as most currencies have. */
const DECIMALS = 2

const amountNumber = z
  .number()
  .min(0.01)
  .max(999_999_999_999_999)
  .meta({
    description: `At most 15 significant digits and ${DECIMALS} decimals. Read it as a decimal, never as binary floating point.`,
  })

const amountString = z
  .string()
  .meta({ description: 'The same as a string', pattern: '^(?:0|[1-9]\\d{0,14})(?:\\.\\d{1,2})?$' })

export const payRequest = z.strictObject(
  {
    user_id: plain(255),
    amount: amountOf(DECIMALS, amountNumber, amountString),
    // The idempotency middleware has checked its form already.
    idempotency_key: z.string('must be a string').meta({
      minLength: 1,
      maxLength: 255,
      pattern: '^[ -~]+$',
      description:
        'Your own name for this payment, such as a UUID: a new one for each payment, the same on every retry of it. Printable ASCII.',
    }),
  },
  'must be an object',
)

export type PayRequest = z.infer<typeof payRequest>

/** `{"user_id","amount","idempotency_key"}` and nothing else; `amount` as its exact decimal text. Throws `validation_failed`. */
export function parsePayRequest(json: JsonBody): PayRequest {
  return parseBody(payRequest, withWritten(json, 'amount'), 'payment')
}
