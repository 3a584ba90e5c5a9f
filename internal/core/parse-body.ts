import type { z } from 'zod'
import type { JsonBody } from './request-state.ts'
import { type FieldFault, ServiceError } from './service-error.ts'

/**
 * The most faults that a response lists. Without a limit, a body with many unknown members would get, and store, a
 * response many times its size.
 */
const MAX_FAULTS = 20

/** Validates a body. `what` is named in the detail, e.g. `order`. Throws `validation_failed`. */
export function parseBody<T extends z.ZodType>(schema: T, value: unknown, what: string): z.infer<T> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw validationFailed(parsed.error.issues.flatMap(faults), what)
}

/** A `validation_failed` error with the fault of each member; it quotes no value. */
export function validationFailed(all: readonly FieldFault[], what: string): ServiceError {
  const errors = all.slice(0, MAX_FAULTS)
  return new ServiceError(
    'validation_failed',
    `The ${what} is not valid: ${errors.map(describe).join('; ')}.`,
    {
      errors,
    },
  )
}

/** The body with a number replaced by its text, because JSON.parse makes it a binary floating-point number. */
export function withWritten(json: JsonBody, member: string): unknown {
  const written = json.numbers.get(`/${member}`)
  const { value } = json
  if (written === undefined || typeof value !== 'object' || value === null) return value
  return { ...value, [member]: written }
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

/** Escapes a name for a JSON Pointer (RFC 6901). Shortened, because the name of an unknown member may have a megabyte. */
function pointerPart(part: string): string {
  return part.slice(0, 64).replaceAll('~', '~0').replaceAll('/', '~1')
}

function describe(fault: FieldFault): string {
  return `${fault.pointer === '' ? 'the body' : fault.pointer.slice(1)} ${fault.detail}`
}
