import { z } from 'zod'
import { parseBody, withWritten } from '../core/parse-body.ts'
import { NO_CONTROLS } from '../core/portable-pattern.ts'
import type { JsonBody } from '../core/request-state.ts'
import { amount } from './money.ts'

/** 1 to 255 characters (code points), without control characters and lone surrogates. */
export const name = z
  .string('must be a string')
  .regex(/^[^\p{Cc}\p{Cs}]{1,255}$/u, 'must have 1 to 255 characters, none of them a control character')
  .meta({ minLength: 1, maxLength: 255, pattern: NO_CONTROLS })

export const orderRequest = z.strictObject({ user_id: name, item: name, amount }, 'must be an object')

export type OrderRequest = z.infer<typeof orderRequest>

/** `{"user_id","item","amount"}` and nothing else; `amount` as its exact decimal text. Throws `validation_failed`. */
export function parseOrderRequest(json: JsonBody): OrderRequest {
  return parseBody(orderRequest, withWritten(json, 'amount'), 'order')
}
