import { middleware } from '../core/compose.ts'
import type { Middleware } from '../core/request-state.ts'
import { ServiceError } from '../core/service-error.ts'

/** How many unknown names the error shows: a client can send 16 KiB of them. */
const MAX_NAMES = 5
const MAX_NAME = 64

/**
 * Refuses unknown query parameters with `invalid_request`: a mistyped filter would otherwise be ignored and match
 * everything.
 */
export function knownQuery(known: readonly string[]): Middleware {
  const names = new Set(known)
  return middleware(function knownQuery({ req: { url = '' } }) {
    const start = url.indexOf('?')
    if (start < 0) return undefined
    const sent = new Set(new URLSearchParams(url.slice(start + 1)).keys())
    const unknown = [...sent].filter((name) => !names.has(name))
    if (unknown.length > 0) throw new ServiceError('invalid_request', detailOf(unknown, known))
    return undefined
  })
}

function detailOf(unknown: readonly string[], known: readonly string[]): string {
  const shown = unknown.slice(0, MAX_NAMES).map((name) => JSON.stringify(name.slice(0, MAX_NAME)))
  const more = unknown.length > MAX_NAMES ? ` and ${unknown.length - MAX_NAMES} more` : ''
  const supported = known.length === 0 ? 'It has none' : `It supports ${known.join(', ')}`
  return `This route does not support the query parameter ${shown.join(', ')}${more}. ${supported}.`
}
