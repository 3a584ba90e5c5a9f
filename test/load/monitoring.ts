/*
 * npm run test:monitoring: a real Prometheus with our rules, beside a real service with traffic: promtool accepts and
 * tests the rules, every panel of the dashboards has something to show, no alert fires on a healthy service, and one
 * does when Redis is gone. Takes half a minute.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { stringify } from 'yaml'
import { z } from 'zod'
import { alertRules, monitoringFile, panelQueries } from '../support/monitoring.ts'
import { send } from '../support/order-client.ts'
import { needProgram } from '../support/programs.ts'
import { fillIn, parsePromql } from '../support/promql.ts'
import { ServerProcess } from '../support/server-process.ts'
import { createDatabase, freePort, startRedis, type TestDatabase } from '../support/servers.ts'
import { type Service, startService } from '../support/service.ts'
import { makeTraffic } from '../support/traffic.ts'

const PATIENCE_MS = 60_000
const POLL_MS = 250
/** Instead of 15 s, so that the test is short. */
const SCRAPE_EVERY = '1s'
const FILLED_IN = { $__rate_interval: '10s', $__range: '5m' }

let redis: Awaited<ReturnType<typeof startRedis>>
let database: TestDatabase
let service: Service
let prometheus: ServerProcess
let url: string
const directory = mkdtempSync(join(tmpdir(), 'oncekey-prometheus-'))
process.once('exit', () => rmSync(directory, { recursive: true, force: true }))

before(async () => {
  ;[redis, database] = await Promise.all([startRedis(), createDatabase()])
  service = await startService({
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    RATE_LIMITS: 'client=100000/60s',
    LOG_LEVEL: 'warn',
  })
  const config = join(directory, 'prometheus.yml')
  const scrape = { job_name: 'oncekey', static_configs: [{ targets: [`127.0.0.1:${service.port}`] }] }
  const settings = {
    global: {
      scrape_interval: SCRAPE_EVERY,
      scrape_timeout: SCRAPE_EVERY,
      evaluation_interval: SCRAPE_EVERY,
    },
    rule_files: [monitoringFile('alerts.yml')],
    scrape_configs: [scrape],
  }
  writeFileSync(config, stringify(settings))
  const port = await freePort()
  url = `http://127.0.0.1:${port}`
  prometheus = await ServerProcess.start({
    program: needProgram('prometheus', 'prometheus'),
    args: [
      ...[`--config.file=${config}`, `--storage.tsdb.path=${join(directory, 'data')}`],
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    log: join(directory, 'log'),
    user: undefined,
    stopSignal: 'SIGTERM',
    probe: async () => assert.equal((await send(`${url}/-/ready`)).status, 200),
  })
})

after(async () => {
  await prometheus?.kill()
  await service?.kill()
  await Promise.all([redis?.stop(), database?.drop()])
})

for (const args of [
  ['check', 'config', 'prometheus.yml'],
  ['check', 'rules', 'alerts.yml'],
  ['test', 'rules', 'alerts.test.yml'],
]) {
  test(`promtool ${args.join(' ')}`, () => {
    const [file = '', ...command] = args.toReversed()
    const program = needProgram('promtool', 'prometheus')
    execFileSync(program, [...command.toReversed(), monitoringFile(file)], { stdio: 'pipe' })
  })
}

test('every panel of which the service has metrics shows something', async () => {
  // Some series come with the first request of their kind.
  await makeTraffic(service.url)
  const metrics = (await send(`${service.url}/metrics`)).body.toString()
  const known = panelQueries().filter(
    ({ source, expression }) =>
      source === 'prometheus' &&
      parsePromql(fillIn(expression)).selectors.every((one) => isShown(metrics, one.metric)),
  )
  assert.ok(known.length > 30, `only ${known.length} queries are of known metrics`)
  let empty = known
  const untilMs = Date.now() + PATIENCE_MS
  while (empty.length > 0) {
    const places = empty.map(({ place, expression }) => `${place}: ${expression}`)
    assert.ok(Date.now() < untilMs, `nothing to see in\n${places.join('\n')}`)
    await makeTraffic(service.url)
    await sleep(POLL_MS)
    const responses = await Promise.all(empty.map(({ expression }) => query(fillIn(expression, FILLED_IN))))
    empty = empty.filter((_, n) => !responses[n]?.some((value) => Number.isFinite(value)))
  }
})

test('no alert fires, or is about to, while all is well', async () => {
  assert.deepEqual(await query('ALERTS{alertname!="OncekeyAbsent"}'), [])
})

test('without Redis it is seen at once that the store is down, and only that', async () => {
  await redis.stop()
  const pending = 'ALERTS{alertname="OncekeyStoreDown",store="redis"}'
  const untilMs = Date.now() + PATIENCE_MS
  while ((await query(pending)).length === 0) {
    assert.ok(Date.now() < untilMs, 'the alert does not come')
    await sleep(POLL_MS)
  }
  assert.deepEqual(await query('ALERTS{alertname=~"OncekeyDown|OncekeyStoreDown",store!="redis"}'), [])
})

const reply = z.object({
  data: z.object({ result: z.array(z.object({ value: z.tuple([z.number(), z.string()]) })) }),
})

/** The values of an instant query. */
async function query(expression: string): Promise<number[]> {
  const { status, body } = await send(`${url}/api/v1/query?query=${encodeURIComponent(expression)}`)
  assert.equal(status, 200, body.toString())
  return reply.parse(JSON.parse(body.toString())).data.result.map(({ value }) => Number(value[1]))
}

/** Whether there is a sample of it, or a rule makes it: a TYPE line alone says only that there may be one. */
function isShown(metrics: string, metric: string): boolean {
  const made = metric === 'up' || alertRules().some(({ record }) => record === metric)
  return (
    made || metrics.split('\n').some((line) => line.startsWith(`${metric}{`) || line.startsWith(`${metric} `))
  )
}
