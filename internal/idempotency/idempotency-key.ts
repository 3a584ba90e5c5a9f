import { headerValues } from '../header-values.ts'
import { validationFailed } from '../parse-body.ts'
import { required, type StageContext } from '../request-state.ts'
import { ServiceError } from '../service-error.ts'

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
  if (quoted === undefined)
    throw invalid('it must be 1 to 255 characters of printable ASCII, bare or in double quotes')
  const key = quoted.replace(/\\(["\\])/g, '$1')
  if (key.length < 1 || key.length > 255)
    throw invalid(`it has ${key.length} characters, 1 to 255 are allowed`)
  return key
}

/** Reads the key from the headers of these names, in lower case; two of them may be used at once for one key. */
export function keyInHeader(names: readonly string[], grammar?: KeyGrammar): (ctx: StageContext) => string {
  return function keyInHeader({ req: { rawHeaders } }) {
    let key: string | undefined
    for (const name of names) {
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
 */
export function keyInBody(member: string): (ctx: StageContext) => string {
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
    const inHeader = headerValues(ctx.req.rawHeaders, 'idempotency-key')
    if (inHeader.length > 0 && parseIdempotencyKey(inHeader) !== key) {
      throw invalid(`the header names another key than ${member} in the body`)
    }
    return key
  }
}

/** The same for who only watches: undefined where there is no valid key, or no body was parsed. */
export function knownKeyInBody(member: string): (ctx: StageContext) => string | undefined {
  return function knownKeyInBody({ state: { json } }) {
    if (typeof json?.value !== 'object' || json.value === null) return undefined
    const key = new Map<string, unknown>(Object.entries(json.value)).get(member)
    return typeof key === 'string' && PRINTABLE.test(key) ? key : undefined
  }
}

function invalid(reason: string): ServiceError {
  return new ServiceError('idempotency_key_invalid', `The Idempotency-Key is not valid: ${reason}.`)
}
