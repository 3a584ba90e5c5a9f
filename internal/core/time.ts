const RFC_3339 =
  /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.(\d+))?(?:[Zz]|([+-])(\d{2}):(\d{2}))$/

const MINUTE_MS = 60_000

/** The rule of `parseTime`, for an error text after "must be". */
export const TIME_RULE = 'a time of RFC 3339, such as 2026-01-31T09:30:00Z'

/**
 * Parses a time of RFC 3339, such as `2026-01-31T09:30:00Z` or `2026-01-31t10:30:00.25+01:00`. Undefined for any other text,
 * and outside the years 1 to 9999 in UTC. Digits after the milliseconds are ignored. A leap second (`:60`, only at the
 * end of a month in UTC) becomes the next second, as in PostgreSQL, because a `Date` has none.
 */
export function parseTime(text: string): Date | undefined {
  const [, year = '', month = '', day = '', hour, minute, second, fraction = '', sign, ...offset] =
    RFC_3339.exec(text) ?? []
  const [hours, minutes, seconds] = [Number(hour), Number(minute), Number(second)]
  const [offsetHours, offsetMinutes] = sign === undefined ? [0, 0] : offset.map(Number)
  if (!isWithin(hours, 23) || !isWithin(minutes, 59) || !isWithin(seconds, 60)) return undefined
  if (!isWithin(offsetHours, 23) || !isWithin(offsetMinutes, 59)) return undefined
  const midnight = new Date(`${year}-${month}-${day}T00:00:00Z`)
  // Date reads 30 February as 2 March.
  if (Number.isNaN(midnight.getTime()) || midnight.getUTCDate() !== Number(day)) return undefined
  const isLeap = seconds === 60
  const milliseconds = isLeap ? 0 : Number(fraction.slice(0, 3).padEnd(3, '0'))
  const east = (sign === '-' ? -1 : 1) * (offsetHours * 60 + offsetMinutes)
  const time = new Date(
    midnight.getTime() + (hours * 60 + minutes - east) * MINUTE_MS + seconds * 1_000 + milliseconds,
  )
  if (isLeap && !isStartOfMonth(time)) return undefined
  const utcYear = time.getUTCFullYear()
  return utcYear >= 1 && utcYear <= 9999 ? time : undefined
}

function isWithin(value: number | undefined, most: number): value is number {
  return value !== undefined && value <= most
}

function isStartOfMonth(time: Date): boolean {
  return time.getUTCDate() === 1 && time.getTime() % 86_400_000 === 0
}

let lastMs = Number.NaN
let lastText = ''

/**
 * Formats Unix milliseconds in ISO 8601, such as `2026-01-31T12:00:00.000Z`. The last text is cached, because formatting is a
 * large part of the cost of a log line.
 */
export function isoTime(ms: number): string {
  if (ms !== lastMs) {
    lastText = new Date(ms).toISOString()
    lastMs = ms
  }
  return lastText
}
