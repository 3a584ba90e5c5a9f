import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { z } from 'zod'
import { auditLog } from '../../internal/audit/audit-log.ts'
import { entryHash, NO_HASH } from '../../internal/audit/chain.ts'
import { openDatabase } from '../../internal/database/database.ts'
import { assertProblem, one, type RawResponse } from '../support/raw-http.ts'
import { signedGet } from '../support/raw-order.ts'
import { createDatabase } from '../support/servers.ts'
import { startService } from '../support/service.ts'

const directory = mkdtempSync(join(tmpdir(), 'oncekey-audit-logs-'))
const CLIENTS_FILE = join(directory, 'clients.json')
const ACME = { client: 'acme', secret: 'the secret of acme' }
writeFileSync(CLIENTS_FILE, JSON.stringify({ acme: { secrets: [ACME.secret] } }))
const created = await createDatabase()
const service = await startService({ DATABASE_URL: created.url, RATE_LIMITS: 'none', CLIENTS_FILE })
const database = openDatabase(created.url)
after(async () => {
  await database.close()
  await service.kill()
  await created.drop()
  rmSync(directory, { recursive: true })
})

const entry = z.looseObject({ seq: z.number(), at: z.string(), event_type: z.string(), hash: z.string() })
const page = z.strictObject({ entries: z.array(entry), next_cursor: z.string().nullable() })

const PATH = '/api/v1/audit-logs'
const get = (query = '', as = {}): Promise<RawResponse> => one(service.port, signedGet(`${PATH}${query}`, as))

async function getPage(query = '', as = {}) {
  const response = await get(query, as)
  assert.equal(response.status, 200, response.body)
  assert.equal(response.header('content-type'), 'application/json; charset=utf-8')
  return page.parse(JSON.parse(response.body))
}

/** Oldest first. */
const texts: string[] = []
async function append(n: number): Promise<void> {
  const text = `{"n" : ${n}, "amount":19.90, "text":"ä \\u0000 \\" 😀"}`
  texts.push(text)
  const eventType = n % 5 === 0 ? 'payment.completed' : 'payment.refused'
  await auditLog(database).append({ client: 'default', eventType, entry: text })
}
before(async () => {
  for (let n = 1; n <= 45; n++) await append(n)
})

describe('GET /api/v1/audit-logs', () => {
  test('pages, newest first, without gap or repeat while new entries come in', async () => {
    const last = texts.length
    const seen: number[] = []
    let query = '?limit=10'
    for (;;) {
      const { entries, next_cursor } = await getPage(query)
      seen.push(...entries.map(({ seq }) => seq))
      for (let n = 0; n < 3; n++) await append(1_000)
      if (next_cursor === null) break
      query = `?limit=10&cursor=${next_cursor}`
    }
    assert.deepEqual(
      seen,
      Array.from({ length: last }, (_, n) => last - n),
    )
    assert.equal((await getPage()).entries.length, 20)
    assert.deepEqual(await getPage('?cursor=1'), { entries: [], next_cursor: null })
    const whole = await getPage(`?limit=${texts.length}`)
    assert.deepEqual([whole.entries.length, whole.next_cursor], [texts.length, null])
  })

  test('shows each entry with its members as they were written, and the hash that follows from the one before', async () => {
    const response = await get('?limit=100')
    const { entries } = page.parse(JSON.parse(response.body))
    let previous = NO_HASH
    for (const { seq, at, event_type: eventType, hash } of entries.toReversed()) {
      const text = texts[seq - 1] ?? ''
      assert.equal(hash, entryHash(previous, { client: 'default', seq, at, eventType, entry: text }))
      assert.ok(
        response.body.includes(
          `{"seq":${seq},"at":"${at}","event_type":"${eventType}",${text.slice(1, -1)},"hash":"${hash}"}`,
        ),
      )
      previous = hash
    }
  })

  test('shows one type, exactly', async () => {
    const { entries, next_cursor } = await getPage('?event_type=payment.completed&limit=2')
    assert.deepEqual(
      entries.map(({ event_type }) => event_type),
      ['payment.completed', 'payment.completed'],
    )
    const rest = await getPage(`?event_type=payment.completed&limit=100&cursor=${next_cursor}`)
    assert.ok(
      rest.entries.every(
        ({ seq, event_type }) => seq < Number(next_cursor) && event_type.endsWith('completed'),
      ),
    )
    for (const type of ['payment', 'payment.complete', 'never_heard_of']) {
      assert.deepEqual(await getPage(`?event_type=${type}`), { entries: [], next_cursor: null })
    }
  })

  test('shows nobody the entries of another client, whatever the cursor', async () => {
    for (const query of ['', '?cursor=20', '?event_type=payment.completed']) {
      assert.deepEqual(await getPage(query, ACME), { entries: [], next_cursor: null })
    }
  })

  for (const query of [
    ...['limit=0', 'limit=101', 'limit=ten', 'limit=', 'limit=1&limit=2'],
    ...[
      'cursor=',
      'cursor=0',
      'cursor=-1',
      'cursor=1.5',
      'cursor=null',
      'cursor=%00',
      'cursor=99999999999999999999',
    ],
    ...['cursor=1&cursor=2', "cursor='+OR+1=1+--"],
    ...['event_type=', 'event_type=Payment.completed', 'event_type=payment.', 'event_type=payment.*'],
    ...[
      'event_type=a&event_type=b',
      'event_type=%00',
      `event_type=${'x'.repeat(65)}`,
      "event_type='+OR+1=1+--",
    ],
  ]) {
    test(`?${query.slice(0, 40)} is 400 invalid_request`, async () => {
      assertProblem(await get(`?${query}`), 400, 'invalid_request')
    })
  }

  test('needs a signature', async () => {
    assertProblem(await get('', { signature: undefined }), 401, 'signature_missing')
  })
})
