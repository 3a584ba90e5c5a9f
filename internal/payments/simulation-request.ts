import { z } from 'zod'
import { parseBody, withWritten } from '../core/parse-body.ts'
import type { JsonBody } from '../core/request-state.ts'
import { type PaymentRequest, parsePaymentRequest, paymentRequest } from './payment-request.ts'

const DEFAULT_COPIES = 5
/** Enough to see concurrent copies; one request must not cause much load. */
export const MAX_COPIES = 50

const { amount, currency, payment_method } = paymentRequest.shape

export const simulationRequest = z.strictObject(
  {
    requests: z
      .int(`must be a whole number from 2 to ${MAX_COPIES}`)
      .min(2, `must be a whole number from 2 to ${MAX_COPIES}`)
      .max(MAX_COPIES, `must be a whole number from 2 to ${MAX_COPIES}`)
      .default(DEFAULT_COPIES)
      .meta({ description: 'How many copies are sent at the same time' }),
    amount: amount.optional(),
    currency: currency.optional(),
    payment_method: payment_method.optional(),
    idempotency_key: z
      .string('must be a string')
      .regex(/^[A-Za-z0-9_-]{16,255}$/, 'must be 16 to 255 characters of A-Z, a-z, 0-9, _ and -')
      .meta({ minLength: 16, maxLength: 255, pattern: '^[A-Za-z0-9_-]{16,255}$' })
      .optional(),
  },
  'must be an object',
)

export interface SimulationRequest {
  copies: number
  /** undefined: a new one is made. */
  key: string | undefined
  payment: PaymentRequest
}

/** All members are optional; they are checked as those of a payment. Throws `validation_failed`. */
export function parseSimulationRequest(json: JsonBody): SimulationRequest {
  const given = parseBody(simulationRequest, withWritten(json, 'amount'), 'simulation')
  const value = {
    amount: given.amount ?? '10',
    currency: given.currency ?? 'EUR',
    payment_method: given.payment_method ?? 'pm_simulated_4242',
  }
  // The amount is text by now: its decimals are held to the currency.
  const payment = parsePaymentRequest({ value, numbers: new Map() })
  return { copies: given.requests, key: given.idempotency_key, payment }
}
