import { parseTime, TIME_RULE } from '../../internal/core/parse-time.ts'
import { parseDuration } from '../config/setting-values.ts'

/* Values of options that more than one command has. Each throws a plain Error that names the option. */

/** `--since TIME`; undefined: it is not given. */
export function parseSince(text: string | undefined): Date | undefined {
  if (text === undefined) return undefined
  const time = parseTime(text)
  if (time !== undefined) return time
  throw new Error(`--since ${text}: must be ${TIME_RULE}`)
}

/** How long a secret works beside the one that replaces it, in milliseconds. An overlap without an end is a secret that never ends. */
export function parseOverlap(text: string, most: { hours: number; name: string }): number {
  let ms: number
  try {
    ms = parseDuration(text)
  } catch (error) {
    throw new Error(`--overlap ${text}: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (ms <= most.hours * 3_600_000) return ms
  throw new Error(`--overlap ${text}: must be at most ${most.hours}h, ${most.name}`)
}
