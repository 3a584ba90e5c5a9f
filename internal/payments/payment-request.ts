import { z } from 'zod'
import { amountOf, MAX_DIGITS } from '../core/money.ts'
import { parseBody, validationFailed, withWritten } from '../core/parse-body.ts'
import { NO_CONTROLS } from '../core/portable-pattern.ts'
import type { JsonBody } from '../core/request-state.ts'
import { CURRENCIES, MOST_DECIMALS } from './currencies.ts'

const MAX_PAIRS = 50

/** 1 to `max` characters (code points), without control characters and lone surrogates. */
export function plain(max: number) {
  return z
    .string('must be a string')
    .regex(
      new RegExp(`^[^\\p{Cc}\\p{Cs}]{1,${max}}$`, 'u'),
      `must have 1 to ${max} characters, none of them a control character`,
    )
    .meta({ minLength: 1, maxLength: max, pattern: NO_CONTROLS })
}

export const description = plain(255)

export const currency = z
  .string('must be a string')
  .refine(
    (code) => CURRENCIES.has(code),
    'must be an active currency code of ISO 4217 in upper case, like EUR',
  )
  .meta({ pattern: '^[A-Z]{3}$', description: 'ISO 4217, alphabetic, upper case' })

export const amountNumber = z
  .number()
  .min(0.0001)
  .max(999_999_999_999_999)
  .meta({
    description: `At most ${MAX_DIGITS} significant digits, and the decimals of the currency (JPY 0, USD 2, BHD 3, CLF 4). Read it as a decimal, never as binary floating point.`,
  })

const amountString = z
  .string()
  .meta({ description: 'The same as a string', pattern: '^(?:0|[1-9]\\d{0,14})(?:\\.\\d{1,4})?$' })

const value = z
  .string('must be a string')
  .refine((text) => /^[^\p{Cs}]{0,500}$/u.test(text), 'must have at most 500 characters')
  .meta({ maxLength: 500 })

export const metadata = z
  .record(z.string().meta({ minLength: 1, maxLength: 40 }), value, 'must be an object')
  .meta({ maxProperties: MAX_PAIRS, description: `At most ${MAX_PAIRS} pairs of strings, of your own` })

function requestOf(decimals: number) {
  return z.strictObject(
    {
      amount: amountOf(decimals, amountNumber, amountString),
      currency,
      description: description.optional(),
      payment_method: plain(255).meta({
        minLength: 1,
        maxLength: 255,
        pattern: NO_CONTROLS,
        description: 'What the payment gateway is to charge; responses show its last 4 characters at most',
      }),
      metadata: metadata.optional(),
    },
    'must be an object',
  )
}

/** Accepts the amounts of every currency. */
export const paymentRequest = requestOf(MOST_DECIMALS)

const BY_DECIMALS = new Map(
  [...new Set(CURRENCIES.values())].map((decimals) => [decimals, requestOf(decimals)]),
)

export type PaymentRequest = z.infer<typeof paymentRequest>

/** `amount` is exact decimal text with at most the decimals of the currency. Throws `validation_failed`. */
export function parsePaymentRequest(json: JsonBody): PaymentRequest {
  const body = withWritten(json, 'amount')
  const code = memberOf(body, 'currency')
  const decimals = typeof code === 'string' ? CURRENCIES.get(code) : undefined
  const schema = (decimals === undefined ? undefined : BY_DECIMALS.get(decimals)) ?? paymentRequest
  const pairs = memberOf(body, 'metadata')
  // Checked before the schema reads each member.
  if (isTooMany(pairs)) throw validationFailed([TOO_MANY], 'payment')
  const request = parseBody(schema, body, 'payment')
  const faults = nameFaults(pairs)
  if (faults.length > 0) throw validationFailed(faults, 'payment')
  return request
}

const NAME = /^[^\p{Cc}\p{Cs}]{1,40}$/u

const TOO_MANY = { pointer: '/metadata', detail: `must have at most ${MAX_PAIRS} members` }

function isTooMany(pairs: unknown): boolean {
  return typeof pairs === 'object' && pairs !== null && Object.keys(pairs).length > MAX_PAIRS
}

/** Checked here, since the schema would silently drop a `__proto__`. */
function nameFaults(pairs: unknown) {
  if (typeof pairs !== 'object' || pairs === null) return []
  const names = Object.keys(pairs)
  const wrong = names.some((name) => !NAME.test(name) || name === '__proto__')
  return wrong
    ? [
        {
          pointer: '/metadata',
          detail:
            'must have names of 1 to 40 characters, none of them a control character, and none named __proto__',
        },
      ]
    : []
}

function memberOf(body: unknown, name: string): unknown {
  if (typeof body !== 'object' || body === null || !Object.hasOwn(body, name)) return undefined
  return new Map<string, unknown>(Object.entries(body)).get(name)
}
