import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { EVENT_TYPES, eventId } from '../../internal/events/event.ts'
import {
  type EventRows,
  eventRows,
  type PageRecord,
  page,
  type ReceiverRecord,
  readJsonLines,
  receiverRecord,
  type WebhookRecord,
  webhook,
} from './event-records.ts'

/** All that is known of the events of a run when it is over. */
export interface EventEvidence {
  rows: EventRows
  receivers: readonly ReceiverRecord[]
  /** In the order in which they arrived, with their bodies. */
  webhooks: readonly WebhookRecord[]
  /** In the order in which each reader got them. */
  pages: readonly PageRecord[]
}

export function readEventEvidence(directory: string): EventEvidence {
  const at = (name: string) => join(directory, name)
  const json = (name: string): unknown => JSON.parse(readFileSync(at(name), 'utf8'))
  const webhooks = readJsonLines(at('webhooks.jsonl'), webhook)
  const bodies = new Map(webhooks.flatMap(({ sha, body }) => (body === null ? [] : [[sha, body] as const])))
  return {
    rows: eventRows.parse(json('events.json')),
    receivers: z.array(receiverRecord).parse(json('receivers.json')),
    webhooks: webhooks
      .map((one) => ({ ...one, body: bodies.get(one.sha) ?? null }))
      .sort((a, b) => a.at - b.at),
    pages: readJsonLines(at('pages.jsonl'), page),
  }
}

/** The id of an event as the service makes it. */
export function idOf({ object, type }: { object: string; type: string }): string {
  const known = EVENT_TYPES.find((one) => one === type)
  return known === undefined ? `${object} ${type}` : eventId({ object, type: known })
}
