import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline/promises'
import { buffer } from 'node:stream/consumers'
import { ServiceError } from '../../internal/core/service-error.ts'
import type { KeyFilter, KeyRecord, KeyRecords } from '../../internal/idempotency/key-records.ts'
import type { KeyId, Resolver, StoredResponse } from '../../internal/idempotency/store.ts'
import { describeCause } from '../runtime/underlying-cause.ts'
import { describeRow } from './describe-row.ts'
import { keyJson, keyLine, keyLines, logLine } from './keys-text.ts'
import type { OpenRecords } from './open-key-records.ts'
import type { Shown } from './run-verb.ts'

type Store = Pick<OpenRecords, 'records' | 'rows'>

export async function* listKeys(records: KeyRecords, filter: KeyFilter, limit: number): AsyncIterable<Shown> {
  let count = 0
  for await (const record of records.list(filter)) {
    if (count === limit) {
      yield { warning: `there are more than ${limit}: see --limit, --state and --client` }
      return
    }
    count++
    yield { text: keyLine(record), json: keyJson(record) }
  }
  if (count === 0) yield { text: `no ${filter.state ?? ''}${filter.state ? ' ' : ''}keys\n` }
}

export async function* showKey(store: Store, id: KeyId): AsyncIterable<Shown> {
  const record = await existing(store, id)
  yield { text: keyLines(record), json: keyJson(record) }
}

export async function* showLog(records: KeyRecords, client: string | undefined): AsyncIterable<Shown> {
  let count = 0
  for await (const entry of records.log(client)) {
    count++
    yield { text: logLine(entry), json: entry }
  }
  if (count === 0) yield { text: 'nothing was resolved or released\n' }
}

export async function* resolveKey(
  store: Store,
  id: KeyId,
  resolver: Resolver,
  response: { status: number; body: string | undefined; contentType: string | undefined },
): AsyncIterable<Shown> {
  const body = await bodyOf(response.body)
  const record = await unknownRecord(store, id)
  const headers: Record<string, string> = {}
  if (response.contentType !== undefined) headers['Content-Type'] = response.contentType
  else if (body.length > 0) headers['Content-Type'] = 'application/json'
  await change(store.records, record, { status: response.status, headers, body }, resolver)
  const { status } = response
  yield {
    text: `resolved: every retry gets ${status} with ${body.length} bytes from now on\n`,
    json: { ...id, resolved: { status, bytes: body.length, by: resolver.by } },
  }
}

export async function* releaseKey(
  store: Store,
  id: KeyId,
  resolver: Resolver,
  yes: boolean,
): AsyncIterable<Shown> {
  if (!yes && process.stdin.isTTY !== true)
    throw new Error('the next retry with this key will run the request again: --yes says that this is meant')
  const record = await unknownRecord(store, id)
  if (!yes && !(await confirmed(record))) {
    yield { warning: 'nothing was changed', code: 1 }
    return
  }
  await change(store.records, record, 'not_executed', resolver)
  yield {
    text: 'released: the next retry runs the request again\n',
    json: { ...id, released: { by: resolver.by } },
  }
}

async function existing({ records, rows }: Store, id: KeyId): Promise<KeyRecord> {
  const record = await records.show(id)
  if (record !== undefined) return record
  const database = await rows()
  const row = database && (await describeRow(database, id))
  // With keys in PostgreSQL an order has no other record.
  if (row !== undefined)
    throw new Error(
      `this key has no record of its own, but the ${row} has it: every retry gets the response of that`,
    )
  throw new Error('there is no record of this key: it was never used, is over, or was released')
}

async function unknownRecord(store: Store, id: KeyId): Promise<KeyRecord> {
  const record = await existing(store, id)
  if (record.state === 'unknown') return record
  throw new Error(
    record.state === 'completed'
      ? 'this key is completed: its response is known, and replayed'
      : 'a request with this key is in flight: it will be completed, or its lease will end',
  )
}

async function change(
  records: KeyRecords,
  { id, held }: KeyRecord,
  outcome: StoredResponse | 'not_executed',
  resolver: Resolver,
): Promise<void> {
  let done: boolean
  try {
    done = await records.resolve(id, held, outcome, resolver)
  } catch (error) {
    if (!(error instanceof ServiceError) || error.effect !== 'unknown') throw error
    throw new Error(
      `the store does not respond (${describeCause(error)}); "oncekey keys show" tells what was done`,
    )
  }
  if (!done) throw new Error('the key has changed since it was looked at, and was left alone; show it again')
}

async function bodyOf(file: string | undefined): Promise<Buffer> {
  if (file === undefined) return Buffer.alloc(0)
  if (file === '-') return await buffer(process.stdin)
  try {
    return readFileSync(file)
  } catch (error) {
    throw new Error(`--body ${file}: ${describeCause(error)}`)
  }
}

async function confirmed(record: KeyRecord): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const question =
      `${keyLines(record)}The next retry with this key will RUN THE REQUEST AGAIN.\n` +
      'Is it certain that nothing happened, and that it is not still on its way? (yes/no) '
    // Ctrl-D and Ctrl-C reject it.
    return (await terminal.question(question).catch(() => 'no')).trim() === 'yes'
  } finally {
    terminal.close()
  }
}
