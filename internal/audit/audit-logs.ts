import { pageJson, parseLimit } from '../core/page-limit.ts'
import { type Middleware, required } from '../core/request-state.ts'
import { ServiceError } from '../core/service-error.ts'
import { type AuditLog, EVENT_TYPE, type WrittenEntry } from './audit-log.ts'

type Parameter = string | string[] | undefined

/**
 * `GET /api/v1/audit-logs?event_type=&limit=&cursor=`, newest first:
 * `{"entries":[{"seq","at","event_type",…,"hash"}],"next_cursor":string|null}`. New entries never move the later pages.
 */
export function listAuditLogs(log: AuditLog): Middleware {
  return async function listAuditLogs(ctx) {
    const { client } = required(ctx, 'caller', 'authentication')
    const limit = parseLimit(ctx.query.limit)
    const before = parseCursor(ctx.query.cursor)
    const eventType = parseEventType(ctx.query.event_type)
    // One row more shows whether there is another page.
    const found = await log.list(client, { eventType, limit: limit + 1, before })
    ctx.set('Content-Type', 'application/json; charset=utf-8')
    ctx.body = pageJson('entries', found, { limit, write: entryJson, cursorOf: ({ seq }) => String(seq) })
  }
}

/** The members are copied as text, so that amounts stay exact decimals. */
export function entryJson({ seq, at, eventType, entry, hash }: WrittenEntry): string {
  const members = entry.trim().slice(1, -1).trim()
  return (
    `{"seq":${seq},"at":"${at}","event_type":"${eventType}",` +
    `${members === '' ? '' : `${members},`}"hash":"${hash}"}`
  )
}

/** The number of the last entry of the page before. Throws `invalid_request`. */
export function parseCursor(value: Parameter): number | undefined {
  if (value === undefined) return undefined
  // 15 digits: exact as a number, and fewer than a bigint has.
  if (typeof value === 'string' && /^[1-9]\d{0,14}$/.test(value)) return Number(value)
  throw new ServiceError('invalid_request', 'cursor must be the next_cursor of an earlier page.')
}

/** Longer than any type there is. */
const MAX_EVENT_TYPE = 64

/** One type, also an unknown one. Throws `invalid_request`. */
export function parseEventType(value: Parameter): string | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'string' && value.length <= MAX_EVENT_TYPE && EVENT_TYPE.test(value)) return value
  throw new ServiceError(
    'invalid_request',
    'event_type must be one type of entry, such as payment.completed.',
  )
}
