import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, describe, test } from 'node:test'
import { type NodeBoard, postgresBoard, redisBoard } from '../../internal/console/node-board.ts'
import { type NodeReport, nodeReport } from '../../internal/console/node-report.ts'
import { openDatabase } from '../../internal/database/database.ts'
import { migrate } from '../../internal/database/migrate.ts'
import { connectRedis } from '../../internal/database/redis.ts'
import { SQL_DIRECTORY } from '../../src/package-root.ts'
import { onRedis } from '../support/on-redis.ts'
import { connected } from '../support/redis-ready.ts'
import { createDatabase, redisUrl } from '../support/servers.ts'

const place = await createDatabase()
const database = openDatabase(place.url)
await migrate(database, SQL_DIRECTORY)
const redis = await connected(connectRedis(redisUrl))
const prefix = `oncekey-test:${randomUUID()}`
after(async () => {
  await Promise.all([redis.close(), database.close()])
  await place.drop()
})

const report = (requestsPerS: number): NodeReport =>
  nodeReport.parse({
    kind: 'sidecar',
    version: '1',
    uptimeMs: 1,
    requestsPerS,
    eventLoopMs: 0,
    residentBytes: 1,
    inFlight: 0,
  })

interface Place {
  board: NodeBoard
  /** As another version, or long ago. */
  put(id: string, text: string, minutesAgo: number): Promise<unknown>
}

const [SEEN = '', REPORTS = ''] = ['seen', 'reports'].map((what) => `${prefix}:nodes:{nodes}:${what}`)
const places: Record<string, Place> = {
  PostgreSQL: {
    board: postgresBoard(database, 'sidecar'),
    put: (id, text, minutesAgo) =>
      database.run(
        (sql) => sql`
          INSERT INTO nodes (id, seen_at, report) VALUES (${id}, now() - ${minutesAgo} * interval '1 minute', ${text})`,
      ),
  },
  Redis: {
    board: redisBoard(redis, prefix),
    async put(id, text, minutesAgo) {
      await onRedis(redisUrl, 'HSET', SEEN, id, String(Date.now() - minutesAgo * 60_000))
      await onRedis(redisUrl, 'HSET', REPORTS, id, text)
    },
  },
}

for (const [name, { board, put }] of Object.entries(places)) {
  describe(`reports of processes in ${name}`, () => {
    test('are read by all, the newest of each, until they are taken away', async () => {
      assert.deepEqual(await board.read(), [])
      await Promise.all([board.write('b', report(1)), board.write('a', report(2))])
      await board.write('a', report(3))
      const seen = await board.read()
      assert.deepEqual(
        seen.map(({ id, report: found }) => [id, found?.requestsPerS]),
        [
          ['a', 3],
          ['b', 1],
        ],
      )
      assert.ok(seen.every(({ silentMs }) => silentMs >= 0 && silentMs < 60_000))
      await board.remove('a', 1_000)
      assert.deepEqual(
        (await board.read()).map(({ id }) => id),
        ['b'],
      )
    })

    test('that cannot be read are those of a process all the same, and old ones go', async () => {
      await put('newer', '{"version":2}', 1)
      await put('odd', 'no JSON', 1)
      await put('gone', JSON.stringify(report(1)), 11)
      await board.write('b', report(1))
      const seen = await board.read()
      assert.deepEqual(
        seen.map(({ id, report: found }) => [id, found !== undefined]),
        [
          ['b', true],
          ['newer', false],
          ['odd', false],
        ],
      )
      assert.ok((seen.find(({ id }) => id === 'odd')?.silentMs ?? 0) > 30_000)
    })
  })
}

test('service and sidecar may share a table, and do not see each other', async () => {
  const services = postgresBoard(database, 'service')
  await services.write('service', report(1))
  await postgresBoard(database, 'sidecar').write('sidecar', report(1))
  const ids = (await services.read()).flatMap(({ id, report: found }) => (found ? [id] : []))
  assert.deepEqual(ids, ['service'])
})
