import { checkText } from '../core/check-option.ts'
import { headerLines, headerValues } from '../core/header-values.ts'
import { validationFailed } from '../core/parse-body.ts'
import { type MiddlewareContext, required } from '../core/request-state.ts'
import { ServiceError } from '../core/service-error.ts'

/** A bare key: visible ASCII without what would make it a string, a list or a parameter (RFC 9651). */
const BARE = /^[!#-+\--:<-[\]-~]{1,255}$/
/** An sf-string: printable ASCII in double quotes, with \" and \\ as its only escapes. */
const QUOTED = /^"((?:[ !#-[\]-~]|\\["\\])*)"$/

/** What a route demands of keys beyond the common rules. */
export interface KeyGrammar {
  pattern: RegExp
  /** In words: "it must be …". */
  rule: string
}

/** Of a payment's key: what every gateway takes, and long enough not to be met by chance. */
export const STRICT_KEY: KeyGrammar = {
  pattern: /^[A-Za-z0-9_-]{16,255}$/,
  rule: 'it must be 16 to 255 characters of A-Z, a-z, 0-9, _ and -',
}

/**
 * The key of the request from the header lines as they came; `"abc"` and `abc` are the same key.
 * Throws `idempotency_key_missing` or `idempotency_key_invalid`.
 */
export function parseIdempotencyKey(values: readonly string[], grammar?: KeyGrammar): string {
  const key = parseKey(values)
  if (grammar !== undefined && !grammar.pattern.test(key)) throw invalid(grammar.rule)
  return key
}

function parseKey(values: readonly string[]): string {
  const [value, ...more] = values
  if (value === undefined) {
    throw new ServiceError(
      'idempotency_key_missing',
      'Send an Idempotency-Key header: a name of your own for this request, the same on every retry of it.',
    )
  }
  if (more.length > 0) throw invalid('the header came more than once')
  if (BARE.test(value)) return value
  const quoted = QUOTED.exec(value)?.[1]
  if (quoted === undefined) throw invalid(faultOf(value))
  const key = quoted.replace(/\\(["\\])/g, '$1')
  if (key.length < 1 || key.length > 255)
    throw invalid(`it has ${key.length} characters, 1 to 255 are allowed`)
  return key
}

const NOT_BARE = /[^!#-+\--:<-[\]-~]/
const PRINTABLE_CHARACTER = /[ -~]/

/** Why a value is neither a bare nor a quoted key, in words that name the character. */
function faultOf(value: string): string {
  if (value === '') return 'it is empty, 1 to 255 characters are allowed'
  const at = value.search(NOT_BARE)
  if (at < 0) return `it has ${value.length} characters, 1 to 255 are allowed`
  const character = value.charAt(at)
  if (!PRINTABLE_CHARACTER.test(character)) {
    const code = character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')
    return `character ${at + 1} (U+${code}) is not printable ASCII`
  }
  if (value.startsWith('"')) {
    return 'it begins with a double quote, and is no string of RFC 9651: between the quotes, write \\" for " and \\\\ for \\'
  }
  const written = character === ' ' ? 'a space' : character
  return `character ${at + 1} (${written}) is allowed only in a key between double quotes, as in "a,b" (a string of RFC 9651)`
}

/**
 * Reads the key from the headers of these names; two of them may be used at once for one key.
 *
 * @throws ServiceError `idempotency_key_missing` or `idempotency_key_invalid`, for each request.
 * @example idempotency({ store, scope: 'POST /bookings', onUnknown: 'hold', keyOf: keyInHeader(['x-request-key']) })
 */
export function keyInHeader(
  names: readonly string[],
  grammar?: KeyGrammar,
): (ctx: MiddlewareContext) => string {
  const lowerCase = names.map((name) => name.toLowerCase())
  return function keyInHeader({ req }) {
    const rawHeaders = headerLines(req)
    let key: string | undefined
    for (const name of lowerCase) {
      const values = headerValues(rawHeaders, name)
      if (values.length === 0) continue
      const one = parseIdempotencyKey(values, grammar)
      if (key !== undefined && key !== one) throw invalid(`${names.join(' and ')} name two different keys`)
      key = one
    }
    return key ?? parseIdempotencyKey([])
  }
}

/** What a string of JSON may have as a key: the same as a header between double quotes. */
const PRINTABLE = /^[ -~]{1,255}$/

/**
 * Reads the key from a member of the body, which a header may repeat but not contradict. Needs the parsed body. Throws
 * `idempotency_key_missing`, `idempotency_key_invalid`, and `validation_failed` for a body that is no object.
 *
 * @example idempotency({ store, scope: 'POST /pay', onUnknown: 'hold', keyOf: keyInBody('idempotency_key') })
 */
export function keyInBody(member: string): (ctx: MiddlewareContext) => string {
  checkText('member', member)
  return function keyInBody(ctx) {
    const { value } = required(ctx, 'json', 'parsedJson')
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw validationFailed([{ pointer: '', detail: 'must be an object' }], 'request')
    }
    const key = new Map<string, unknown>(Object.entries(value)).get(member)
    if (key === undefined) {
      throw new ServiceError(
        'idempotency_key_missing',
        `Send ${member} in the body: a name of your own for this request, the same on every retry of it.`,
      )
    }
    if (typeof key !== 'string' || !PRINTABLE.test(key)) {
      throw invalid(`${member} must be a string of 1 to 255 characters of printable ASCII`)
    }
    const inHeader = headerValues(headerLines(ctx.req), 'idempotency-key')
    if (inHeader.length > 0 && parseIdempotencyKey(inHeader) !== key) {
      throw invalid(`the header names another key than ${member} in the body`)
    }
    return key
  }
}

/** The same for who only watches: undefined where there is no valid key, or no body was parsed. */
export function knownKeyInBody(member: string): (ctx: MiddlewareContext) => string | undefined {
  return function knownKeyInBody({ state: { json } }) {
    if (typeof json?.value !== 'object' || json.value === null) return undefined
    const key = new Map<string, unknown>(Object.entries(json.value)).get(member)
    return typeof key === 'string' && PRINTABLE.test(key) ? key : undefined
  }
}

function invalid(reason: string): ServiceError {
  return new ServiceError('idempotency_key_invalid', `The Idempotency-Key is not valid: ${reason}.`)
}
