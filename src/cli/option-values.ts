import { parseTime, TIME_RULE } from '../../internal/core/time.ts'
import { CLIENT_ID } from '../../internal/signature/client-registry.ts'
import { readOption } from '../config/read-option.ts'
import { parseDuration } from '../config/setting-values.ts'

/* Options of several commands. Each function throws a plain Error that names the option. */

export function parseSince(text: string | undefined): Date | undefined {
  return readOption('since', text, (given) => {
    const time = parseTime(given)
    if (time === undefined) throw new Error(`must be ${TIME_RULE}`)
    return time
  })
}

/** How long an old secret works beside the new one, in milliseconds; at most `most`, since every secret must end. */
export function parseOverlap(text: string, most: { hours: number; name: string }): number {
  return readOption('overlap', text, (given) => {
    const ms = parseDuration(given)
    if (ms > most.hours * 3_600_000) throw new Error(`must be at most ${most.hours}h, ${most.name}`)
    return ms
  })
}

/** A client id. `label`: what stands before it, such as `--client `. */
export function checkClient(label: string, client: string): string {
  if (CLIENT_ID.test(client)) return client
  throw new Error(`${label}${client}: must be 1 to 64 of A-Z a-z 0-9 . _ -`)
}
