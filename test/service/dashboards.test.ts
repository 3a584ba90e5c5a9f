import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { alertRules, dashboards, panelQueries } from '../support/monitoring.ts'
import { send } from '../support/order-client.ts'
import { fillIn, parsePromql, takes } from '../support/promql.ts'
import { createDatabase, startRedis } from '../support/servers.ts'
import { type Service, startService } from '../support/service.ts'
import { makeTraffic } from '../support/traffic.ts'
import { until } from '../support/until.ts'

/** Shown only where there is an outage or a sidecar. What is shown of them is checked like the rest. */
const MAY_BE_MISSING = new Set(['http_requests_refused_total', 'proxy_upstream_duration_seconds'])
/** Has series only when a collection has happened. */
const LATER = 'nodejs_gc_duration_seconds'
/** Made by Prometheus itself. */
const OF_PROMETHEUS = new Set(['up'])
/** Put on every series by Prometheus. */
const OF_THE_TARGET = new Set(['job', 'instance'])

let service: Service
let stores: { close(): Promise<void> }
let scrape: string
/** What the scrape shows: the labels of each series, by the name of its metric. */
let shown: Map<string, Record<string, string>[]>

before(async () => {
  const [redis, database] = await Promise.all([startRedis(), createDatabase()])
  stores = {
    close: async () => {
      await Promise.all([redis.stop(), database.drop()])
    },
  }
  service = await startService({
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    RATE_LIMITS: 'client=100/60s',
  })
  await makeTraffic(service.url)
  await until('an event is tried', async () => {
    scrape = (await send(`${service.url}/metrics`)).body.toString()
    return scrape.includes('webhook_delivery_duration_seconds_count{')
  })
  shown = series(scrape)
})

after(async () => {
  await service?.kill()
  await stores?.close()
})

const recorded = new Set(alertRules().flatMap(({ record }) => record ?? []))
const queries = [
  ...panelQueries().filter(({ source }) => source === 'prometheus'),
  ...dashboards().flatMap(({ uid, annotations }) =>
    annotations.list.map(({ expr }) => ({ place: `${uid}: annotations`, expression: expr })),
  ),
  ...alertRules().map(({ alert, record, expr }) => ({ place: alert ?? record ?? '', expression: expr })),
]

test('every metric that a dashboard or an alert asks for is shown, with the labels it is asked by', () => {
  for (const { place, expression } of queries) {
    const { selectors, groupedBy } = parsePromql(fillIn(expression))
    assert.ok(selectors.length > 0, place)
    const labels = new Set<string>(OF_THE_TARGET)
    let allKnown = true
    for (const { metric, matchers } of selectors) {
      if (isMissing(metric)) allKnown = false
      if (recorded.has(metric) || OF_PROMETHEUS.has(metric) || isMissing(metric)) continue
      if (metric.startsWith(LATER)) {
        assert.ok(scrape.includes(`# TYPE ${LATER} `), `${place}: ${LATER} is unknown`)
        allKnown = false
        continue
      }
      const found = shown.get(metric) ?? []
      assert.ok(found.length > 0, `${place} asks for ${metric}, which no service shows`)
      const own = matchers.filter(({ label }) => !OF_THE_TARGET.has(label))
      for (const { label } of own) {
        assert.ok(
          found.some((series) => label in series),
          `${place}: ${metric} has no label ${label}`,
        )
      }
      if (!mayBeAbsent(own)) {
        assert.ok(
          found.some((series) => takes(own, series)),
          `${place}: no series of ${metric} is taken`,
        )
      }
      for (const series of found) for (const label of Object.keys(series)) labels.add(label)
    }
    for (const label of allKnown ? groupedBy : []) {
      assert.ok(
        labels.has(label) || recordedOnly(selectors),
        `${place} groups by ${label}, which is no label`,
      )
    }
  }
})

test('the queries of the logs go by labels that are shipped and members that lines have', async () => {
  const members = Object.keys(JSON.parse(await requestLine()))
  const logs = panelQueries().filter(({ source }) => source === 'loki')
  assert.ok(logs.length > 0)
  for (const { place, expression } of logs) {
    const [, labels = ''] = /\{([^}]*)\}/.exec(expression) ?? []
    for (const [, label = ''] of labels.matchAll(/(\w+)=/g)) {
      assert.ok(['service', 'level', 'container'].includes(label), `${place}: ${label} is no label`)
    }
    const used = [...expression.matchAll(/\| (\w+) (?:=|!=|>=|<)/g), ...expression.matchAll(/by \((\w+)\)/g)]
    for (const [, member = ''] of used) assert.ok(members.includes(member), `${place}: no line has ${member}`)
  }
})

/** Lines are written within 250 ms. */
async function requestLine(): Promise<string> {
  const untilMs = Date.now() + 10_000
  for (;;) {
    const line = service
      .log()
      .split('\n')
      .find((one) => one.includes('"msg":"request"'))
    if (line !== undefined) return line
    assert.ok(Date.now() < untilMs, 'no request is logged')
    await sleep(50)
  }
}

function isMissing(metric: string): boolean {
  return !shown.has(metric) && MAY_BE_MISSING.has(metric.replace(/_(bucket|count|sum)$/, ''))
}

/** The last two are of webhooks: the traffic of the test has no receiver. */
const ONLY_WITH_FAULTS = new Set(['status=5..', 'outcome=delivered', 'outcome=failed|disabled'])

/** What only a fault brings: the test does not wait for it. */
function mayBeAbsent(matchers: readonly { label: string; value: string }[]): boolean {
  return matchers.some(({ label, value }) => ONLY_WITH_FAULTS.has(`${label}=${value}`))
}

function recordedOnly(selectors: readonly { metric: string }[]): boolean {
  return selectors.every(({ metric }) => recorded.has(metric))
}

function series(text: string): Map<string, Record<string, string>[]> {
  const found = new Map<string, Record<string, string>[]>()
  for (const line of text.split('\n')) {
    const [, name, , labels = ''] = /^(\w+)(\{(.*)\})? /.exec(line) ?? []
    if (name === undefined) continue
    const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)]
    const list = found.get(name) ?? []
    found.set(name, list)
    list.push(Object.fromEntries(pairs.map(([, label = '', value = '']) => [label, value])))
  }
  return found
}
