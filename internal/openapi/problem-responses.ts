import { z } from 'zod'
import { PROBLEM_TYPE, problemJson } from '../core/problem-json.ts'
import { PROBLEM_TEXTS } from '../core/problem-texts.ts'
import { PROBLEMS, type ProblemCode, ServiceError } from '../core/service-error.ts'

export const PROBLEM_CODES = Object.keys(PROBLEM_TEXTS).filter(
  (code): code is ProblemCode => code in PROBLEMS,
)

const fieldFault = z.object({
  pointer: z.string().meta({ description: 'JSON Pointer (RFC 6901) to the member; empty: the whole body' }),
  detail: z.string(),
})

/** The schema of every problem document. */
export const problemSchema = z
  .object({
    type: z.string().meta({ description: 'Where the error catalogue tells more', format: 'uri-reference' }),
    title: z.string(),
    status: z.int().min(400).max(599),
    detail: z.string().meta({ description: 'For people; the wording may change' }),
    code: z.enum(PROBLEM_CODES).meta({ description: 'For programs' }),
    request_id: z.string().meta({ description: 'The X-Request-Id of the response' }),
    retryable: z.boolean().optional().meta({ description: 'Whether the same request may succeed later' }),
    retry_after_ms: z.int().min(0).optional().meta({ description: 'When a retry makes sense, milliseconds' }),
    errors: z.array(fieldFault).optional(),
  })
  .meta({ description: 'RFC 9457' })

const REQUEST_ID = '3f1c1f52-6a0e-4c8e-9d5f-0c4b8f6c1a27'

/** By code: a problem document as the service writes it. */
export function problemExamples(): Record<string, { summary: string; value: unknown }> {
  return Object.fromEntries(
    PROBLEM_CODES.map((code) => {
      const { detail, ...extras } = PROBLEM_TEXTS[code].example
      const value: unknown = JSON.parse(problemJson(new ServiceError(code, detail, extras), REQUEST_ID))
      return [code, { summary: PROBLEMS[code].title, value }]
    }),
  )
}

/** The content of the response with this status and these codes. */
export function problemContent(status: number, codes: readonly ProblemCode[]): Record<string, unknown> {
  const only = { properties: { status: { const: status }, code: { enum: codes } } }
  return {
    [PROBLEM_TYPE]: {
      schema: { allOf: [{ $ref: '#/components/schemas/Problem' }, only] },
      examples: Object.fromEntries(codes.map((code) => [code, { $ref: `#/components/examples/${code}` }])),
    },
  }
}

/** In a list, with what each means. */
export function problemDescription(codes: readonly ProblemCode[]): string {
  return codes.map((code) => `- \`${code}\`: ${PROBLEM_TEXTS[code].meaning}`).join('\n')
}

/** Whether responses with this code say when to come again. */
export function saysWhenToRetry(code: ProblemCode): boolean {
  return PROBLEM_TEXTS[code].example.retryAfterMs !== undefined
}
