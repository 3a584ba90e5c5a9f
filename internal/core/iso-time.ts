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
