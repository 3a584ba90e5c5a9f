import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parse } from 'yaml'
import { z } from 'zod'
import { alertRules, dashboards, monitoringFile } from '../support/monitoring.ts'
import { parsePromql } from '../support/promql.ts'

const runbook = readFileSync(new URL('../../docs/runbook.md', import.meta.url), 'utf8')
const alerts = alertRules().filter(({ alert }) => alert !== undefined)

/** Heading and text of each section of the runbook. */
const sections = new Map(
  runbook
    .split(/^## /m)
    .slice(1)
    .map((section): [string, string] => [section.slice(0, section.indexOf('\n')), section]),
)

for (const { alert = '', annotations, labels } of alerts) {
  test(`${alert} says what it is about and where to read on`, () => {
    assert.match(labels?.severity ?? '', /^(page|ticket)$/)
    assert.ok(annotations?.summary && annotations.description)
    assert.equal(annotations.runbook_url, `docs/runbook.md#${alert.toLowerCase()}`)
    const section = sections.get(alert)
    assert.ok(section, 'the runbook has no section for it')
    assert.match(section, /\*\*Look(\.\*\*|\*\* and)/)
    assert.match(section, /\*\*Do\.\*\*/)
  })
}

test('the runbook has no section without an alert, and its links lead somewhere', () => {
  assert.deepEqual(
    [...sections.keys()],
    alerts.map(({ alert }) => alert),
  )
  for (const [, anchor] of runbook.matchAll(/\]\(#(\w+)\)/g)) {
    assert.ok(
      [...sections.keys()].some((heading) => heading.toLowerCase() === anchor),
      anchor,
    )
  }
})

test('each alert has a test in which it fires and one in which it does not', () => {
  const cases = z.object({
    tests: z.array(
      z.object({
        alert_rule_test: z.array(z.object({ alertname: z.string(), exp_alerts: z.array(z.unknown()) })),
      }),
    ),
  })
  const { tests } = cases.parse(parse(readFileSync(monitoringFile('alerts.test.yml'), 'utf8')))
  const tried = tests.flatMap((one) => one.alert_rule_test)
  for (const { alert } of alerts) {
    const own = tried.filter(({ alertname }) => alertname === alert)
    assert.ok(
      own.some(({ exp_alerts }) => exp_alerts.length > 0),
      `${alert} is never seen firing`,
    )
    assert.ok(
      own.some(({ exp_alerts }) => exp_alerts.length === 0),
      `${alert} is never seen quiet`,
    )
  }
})

test('every expression of the alerts is PromQL', () => {
  for (const { expr } of alertRules()) parsePromql(expr)
})

test('what is no PromQL is found', () => {
  for (const wrong of ['sum(rate(a[5m])', 'rate(a[5 m])', 'a{b=c}', 'sum by le (a)']) {
    assert.throws(() => parsePromql(wrong), /not PromQL/, wrong)
  }
})

test('no panel of a dashboard covers another, and each dashboard has an id of its own', () => {
  const all = dashboards()
  assert.equal(new Set(all.map(({ uid }) => uid)).size, all.length)
  for (const { uid, panels } of all) {
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length)
    const taken = new Map<string, string>()
    for (const { title, gridPos } of panels) {
      assert.ok(gridPos.x + gridPos.w <= 24, `${uid}: ${title} is beyond the edge`)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          assert.equal(taken.get(`${x} ${y}`), undefined, `${uid}: ${title} covers another panel`)
          taken.set(`${x} ${y}`, title)
        }
      }
    }
  }
})

test('every query asks a data source that is provisioned', () => {
  const provisioned = z.object({ datasources: z.array(z.object({ uid: z.string() })) })
  const file = readFileSync(monitoringFile('grafana/datasources/datasources.yml'), 'utf8')
  const uids = provisioned.parse(parse(file)).datasources.map(({ uid }) => uid)
  for (const { panels, annotations } of dashboards()) {
    for (const { datasource } of [...panels.flatMap(({ targets = [] }) => targets), ...annotations.list]) {
      assert.ok(uids.includes(datasource.uid), datasource.uid)
    }
  }
})
