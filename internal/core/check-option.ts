/* What the options of the library may be. A program in JavaScript has no compiler that says so. */

/** 24 days: a longer setTimeout() would fire at once. */
export const MAX_TIMER_MS = 2_147_483_647

/** Throws a RangeError that names the option. With NaN every comparison is false: such a limit would limit nothing. */
export function checkNumber(name: string, value: number, min: number, max: number): void {
  if (typeof value === 'number' && value >= min && value <= max) return
  throw new RangeError(`${name} must be a number from ${min} to ${max}, not ${shown(value)}`)
}

/** Throws a RangeError that names the option and what it may be. */
export function checkOneOf(name: string, value: string, allowed: readonly string[]): void {
  if (allowed.includes(value)) return
  throw new RangeError(`${name} must be one of ${allowed.join(', ')}, not ${shown(value)}`)
}

/** Throws a TypeError that names the option, and not its value, which may be a secret. */
export function checkText(name: string, value: string): void {
  if (typeof value === 'string' && value !== '') return
  throw new TypeError(`${name} must be a string that is not empty`)
}

/** Throws a TypeError for what has no such method, as the promise of a store that was not awaited. */
export function checkMethod(name: string, value: object, method: string): void {
  const found: unknown = Reflect.get(Object(value), method)
  if (typeof found === 'function') return
  const reason = value instanceof Promise ? 'a promise: await it' : shown(value)
  throw new TypeError(`${name} must have a method ${method}, and is ${reason}`)
}

function shown(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}
