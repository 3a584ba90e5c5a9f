import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { after, before, test } from 'node:test'
import Koa from 'koa'
import { z } from 'zod'
import { auditLog } from '../../internal/audit/audit-log.ts'
import { audited } from '../../internal/audit/audited.ts'
import { Observations } from '../../internal/audit/observations.ts'
import type { Middleware, RequestState } from '../../internal/core/request-state.ts'
import { ServiceError } from '../../internal/core/service-error.ts'
import { type Database, openDatabase } from '../../internal/database/database.ts'
import { migrate } from '../../internal/database/migrate.ts'
import { problems, renderProblem } from '../../internal/http/problems.ts'
import { rawBody } from '../../internal/http/raw-body.ts'
import { requestId } from '../../internal/http/request-id.ts'
import { IdempotencyEngine } from '../../internal/idempotency/engine.ts'
import { idempotency } from '../../internal/idempotency/idempotency.ts'
import { postgresStore } from '../../internal/idempotency/postgres-store.ts'
import { SQL_DIRECTORY } from '../../src/package-root.ts'
import { newClient, reportOf } from '../support/audit.ts'
import { startPostgres, type ThrowawayServer } from '../support/servers.ts'

const ROUTE = 'POST /api/v1/payments'
let postgres: ThrowawayServer
let database: Database
let observations: Observations
let server: Server
let url: string
let handler: Middleware
const lost: number[] = []

before(async () => {
  postgres = await startPostgres()
  database = openDatabase(postgres.url, { deadlineMs: 2_000 })
  await migrate(database, SQL_DIRECTORY)
  observations = new Observations({
    append: auditLog(database).append,
    now: Date.now,
    newId: randomUUID,
    onLost: (count) => lost.push(count),
  })
  const app = new Koa<RequestState>()
  app.silent = true
  const report = () => {}
  const engine = new IdempotencyEngine({
    store: postgresStore(database, { ttlMs: 60_000 }),
    leaseMs: 30_000,
    maxAgeMs: 60_000,
    onUnknown: 'takeover',
  })
  app.use(requestId()).use(problems(report))
  app.use(rawBody({ maxBodyBytes: 1_000, timeoutMs: 5_000 }))
  app.use(async (ctx, next) => {
    ctx.state.caller = { client: ctx.get('X-Client-Id'), scheme: 'v1' }
    await next()
  })
  app.use(audited({ observe: (one) => observations.add(one), route: ROUTE }))
  app.use(
    idempotency({ engine, scope: ROUTE, renderError: (ctx, error) => renderProblem(ctx, error, report) }),
  )
  app.use((ctx, next) => handler(ctx, next))
  server = createServer(app.callback()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  url = `http://127.0.0.1:${address.port}/api/v1/payments`
})
after(async () => {
  server.close()
  server.closeAllConnections()
  await observations.close(0)
  await database.close()
  await postgres.stop()
})

const pay = (client: string, key: string, body = '{"amount":1}') =>
  fetch(url, { method: 'POST', body, headers: { 'X-Client-Id': client, 'Idempotency-Key': key } })

const written = z.looseObject({ http_status: z.number(), count: z.number(), code: z.string().optional() })

/** Oldest first: type, status, code, count. */
async function trail(client: string) {
  const entries = await auditLog(database).list(client, { limit: 100 })
  return entries.reverse().map(({ eventType, entry }) => {
    const { http_status, code, count } = written.parse(JSON.parse(entry))
    return [eventType, http_status, code, count]
  })
}

const completed: Middleware = async (ctx) => {
  ctx.status = 200
  ctx.body = { payment: {} }
}

test('replays and conflicts of real keys are in the trail, first responses are not', async () => {
  const client = newClient()
  handler = completed
  for (let n = 0; n < 4; n++) assert.equal((await pay(client, 'key-0000000000001')).status, 200)
  assert.equal((await pay(client, 'key-0000000000001', '{"amount":2}')).status, 409)
  handler = async (ctx) => {
    ctx.status = 402
    ctx.body = {}
  }
  assert.equal((await pay(client, 'key-0000000000002')).status, 402)
  assert.equal((await pay(client, 'key-0000000000002')).status, 402)
  await observations.write()
  assert.deepEqual(await trail(client), [
    ['payment.replayed', 200, undefined, 3],
    ['payment.conflict', 409, 'idempotency_key_reused', 1],
    ['payment.replayed', 402, undefined, 1],
  ])
  assert.equal((await reportOf(database, client))?.fault, null)
})

test('a copy that meets the first in flight is a conflict', async () => {
  const client = newClient()
  let finish = () => {}
  const begun = new Promise<void>((begin) => {
    handler = async (ctx) => {
      begin()
      await new Promise<void>((resolve) => {
        finish = resolve
      })
      ctx.body = {}
    }
  })
  const first = pay(client, 'key-0000000000001')
  await begun
  const copies = await Promise.all(Array.from({ length: 5 }, () => pay(client, 'key-0000000000001')))
  assert.deepEqual(
    copies.map(({ status }) => status),
    [409, 409, 409, 409, 409],
  )
  finish()
  assert.equal((await first).status, 200)
  await observations.write()
  assert.deepEqual(await trail(client), [['payment.conflict', 409, 'request_in_progress', 5]])
})

test('what the handler refuses is in the trail once, and then as its replay', async () => {
  const client = newClient()
  handler = async () => {
    throw new ServiceError('validation_failed', 'No.')
  }
  for (const _ of [1, 2]) assert.equal((await pay(client, 'key-0000000000001')).status, 422)
  handler = async () => {
    throw new ServiceError('backend_timeout', 'No response.', { effect: 'unknown' })
  }
  assert.equal((await pay(client, 'key-0000000000002')).status, 504)
  assert.equal((await pay(client, 'not a key')).status, 400)
  await observations.write()
  assert.deepEqual(await trail(client), [
    ['payment.refused', 422, 'validation_failed', 1],
    ['payment.replayed', 422, undefined, 1],
    ['payment.unresolved', 504, 'backend_timeout', 1],
    ['payment.refused', 400, 'idempotency_key_invalid', 1],
  ])
})

test('an outage of the database costs the trail nothing, and doubles nothing', async () => {
  const client = newClient()
  handler = completed
  assert.equal((await pay(client, 'key-0000000000001')).status, 200)
  assert.equal((await pay(client, 'key-0000000000001')).status, 200)
  await postgres.kill()
  for (let n = 0; n < 10; n++) {
    const startedMs = performance.now()
    assert.equal((await pay(client, 'key-0000000000001')).status, 503)
    await observations.write()
    assert.ok(performance.now() - startedMs < 30_000)
  }
  await postgres.restart()
  for (let tries = 0; (await trail(client).catch(() => [])).length < 2; tries++) {
    assert.ok(tries < 100, 'nothing was written within 100 tries')
    await observations.write()
  }
  await observations.write()
  const entries = await trail(client)
  assert.deepEqual(entries[0], ['payment.replayed', 200, undefined, 1])
  // Refused for certain before anything was sent, or with the connection that was lost in the middle.
  const refused = entries.slice(1)
  assert.ok(refused.every(([, status, code]) => status === 503 && code === 'store_unavailable'))
  assert.equal(
    refused.reduce((sum, [, , , count]) => sum + Number(count), 0),
    10,
  )
  assert.deepEqual(lost, [])
  assert.equal((await reportOf(database, client))?.fault, null)
})
