const RFC_3339 =
  /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.(\d+))?(?:[Zz]|([+-])(\d{2}):(\d{2}))$/

const MINUTE_MS = 60_000

/** What a text must be that `parseTime` takes, after "must be". */
export const TIME_RULE = 'a time of RFC 3339, such as 2026-01-31T09:30:00Z'

/**
 * A time of RFC 3339, such as `2026-01-31T09:30:00Z` or `2026-01-31t10:30:00.25+01:00`; undefined for any other text, and for
 * what is not in the years 1 to 9999 in UTC, which PostgreSQL and JSON cannot hold. Digits after the milliseconds are cut off.
 * A leap second (`:60`, only at the end of a month in UTC) is taken as the second after it, as PostgreSQL does: a `Date` has none.
 */
export function parseTime(text: string): Date | undefined {
  const [, year = '', month = '', day = '', hour, minute, second, fraction = '', sign, ...offset] =
    RFC_3339.exec(text) ?? []
  const [hours, minutes, seconds] = [Number(hour), Number(minute), Number(second)]
  const [offsetHours, offsetMinutes] = sign === undefined ? [0, 0] : offset.map(Number)
  if (!isWithin(hours, 23) || !isWithin(minutes, 59) || !isWithin(seconds, 60)) return undefined
  if (!isWithin(offsetHours, 23) || !isWithin(offsetMinutes, 59)) return undefined
  const midnight = new Date(`${year}-${month}-${day}T00:00:00Z`)
  // Date takes 30 February as 2 March.
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
 * Unix milliseconds as the text of ISO 8601, such as `2026-01-31T12:00:00.000Z`. What happens in one millisecond shares
 * its text: making it takes a good part of the time of a line in the log.
 */
export function isoTime(ms: number): string {
  if (ms !== lastMs) {
    lastText = new Date(ms).toISOString()
    lastMs = ms
  }
  return lastText
}
