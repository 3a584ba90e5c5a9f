import { type Listing, listing, type Page, type PageOptions, pageOf } from './pages.ts'
import { hasStrings, isObject } from './read-response.ts'
import type { SendRequest } from './request.ts'
import { type About, read, withQuery } from './result.ts'

/** An entry in the audit trail of this caller. Further members depend on the type. */
export interface AuditEntry {
  /** The number of the entry among this caller's entries. */
  seq: number
  /** RFC 3339, UTC. */
  at: string
  /** E.g. `payment.completed`. */
  event_type: string
  readonly [member: string]: unknown
}

export interface AuditPage extends About, Page {
  entries: AuditEntry[]
}

export interface AuditOptions extends PageOptions {
  /** Only entries of this type. */
  eventType?: string | undefined
}

/** All own entries; each page is requested when it is needed. */
export type AuditList = Listing<AuditEntry, AuditPage>

export interface AuditLogs {
  page(options?: AuditOptions): Promise<AuditPage>
  /** `for await (const entry of client.auditLogs.list())`. The deadline applies to each page. */
  list(options?: AuditOptions): AuditList
}

export function createAuditLogs(request: SendRequest): AuditLogs {
  const page = async (options: AuditOptions = {}): Promise<AuditPage> => {
    const { eventType, limit, cursor } = options
    const path = withQuery('api/v1/audit-logs', { event_type: eventType, limit, cursor })
    return read(request, path, options, entriesOf)
  }
  return { page, list: (options = {}) => listing(page, ({ entries }) => entries, options) }
}

function entriesOf(value: unknown): { entries: AuditEntry[]; nextCursor: string | null } | undefined {
  const page = pageOf(value, 'entries', isEntry)
  return page && { entries: page.items, nextCursor: page.nextCursor }
}

function isEntry(value: unknown): value is AuditEntry {
  return isObject(value) && typeof value.seq === 'number' && hasStrings(value, 'at', 'event_type')
}
