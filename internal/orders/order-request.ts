import { z } from 'zod'
import type { JsonBody } from '../request-state.ts'
import { type FieldFault, ServiceError } from '../service-error.ts'
import { amount } from './money.ts'

/** 1 to 255 characters (code points), without control characters and lone surrogates. */
export const name = z
  .string('must be a string')
  .regex(/^[^\p{Cc}\p{Cs}]{1,255}$/u, 'must have 1 to 255 characters, none of them a control character')
  .meta({ minLength: 1, maxLength: 255 })

export const orderRequest = z.strictObject({ user_id: name, item: name, amount }, 'must be an object')

/** More help nobody, and a body of unknown members would get, and leave in the store, an answer many times its size. */
const MAX_FAULTS = 20

export type OrderRequest = z.infer<typeof orderRequest>

/** `{"user_id","item","amount"}` and nothing else; `amount` as its exact decimal text. Throws `validation_failed`. */
export function parseOrderRequest(json: JsonBody): OrderRequest {
  const parsed = orderRequest.safeParse(withWrittenAmount(json))
  if (parsed.success) return parsed.data
  const errors = parsed.error.issues.flatMap(faults).slice(0, MAX_FAULTS)
  throw new ServiceError('validation_failed', `The order is not valid: ${errors.map(describe).join('; ')}.`, {
    errors,
  })
}

/** The amount as it was written, not as the binary number that JSON.parse made of it. */
function withWrittenAmount(json: JsonBody): unknown {
  const written = json.numbers.get('/amount')
  const { value } = json
  if (written === undefined || typeof value !== 'object' || value === null) return value
  return { ...value, amount: written }
}

function faults(issue: z.core.$ZodIssue): FieldFault[] {
  const pointer = issue.path.map((part) => `/${pointerPart(String(part))}`).join('')
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      pointer: `${pointer}/${pointerPart(key)}`,
      detail: 'is not a known member',
    }))
  }
  return [{ pointer, detail: issue.message }]
}

/** RFC 6901; cut, since an unknown member may be named with a megabyte. */
function pointerPart(part: string): string {
  return part.slice(0, 64).replaceAll('~', '~0').replaceAll('/', '~1')
}

function describe(fault: FieldFault): string {
  return `${fault.pointer === '' ? 'the body' : fault.pointer.slice(1)} ${fault.detail}`
}
