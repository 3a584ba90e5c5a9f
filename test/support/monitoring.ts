import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { z } from 'zod'

const folder = new URL('../../monitoring/', import.meta.url)

export function monitoringFile(name: string): string {
  return fileURLToPath(new URL(name, folder))
}

const target = z.object({ expr: z.string(), datasource: z.object({ uid: z.string() }) })
const dashboard = z.object({
  uid: z.string(),
  title: z.string(),
  panels: z.array(
    z.object({
      id: z.number(),
      title: z.string(),
      type: z.string(),
      gridPos: z.object({ x: z.number(), y: z.number(), w: z.number(), h: z.number() }),
      targets: z.array(target).optional(),
    }),
  ),
  annotations: z.object({ list: z.array(target) }),
})

export function dashboards(): z.infer<typeof dashboard>[] {
  const names = readdirSync(new URL('dashboards/', folder))
  return names.map((name) =>
    dashboard.parse(JSON.parse(readFileSync(new URL(`dashboards/${name}`, folder), 'utf8'))),
  )
}

export interface PanelQuery {
  /** Dashboard and panel. */
  place: string
  expression: string
  source: string
}

export function panelQueries(): PanelQuery[] {
  return dashboards().flatMap(({ uid, panels }) =>
    panels.flatMap(({ title, targets = [] }) =>
      targets.map(({ expr, datasource }) => ({
        place: `${uid}: ${title}`,
        expression: expr,
        source: datasource.uid,
      })),
    ),
  )
}

const rule = z.object({
  record: z.string().optional(),
  alert: z.string().optional(),
  expr: z.string(),
  labels: z.record(z.string(), z.string()).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
})
const rules = z.object({ groups: z.array(z.object({ name: z.string(), rules: z.array(rule) })) })

export function alertRules(): z.infer<typeof rule>[] {
  const { groups } = rules.parse(parse(readFileSync(monitoringFile('alerts.yml'), 'utf8')))
  return groups.flatMap((group) => group.rules)
}
