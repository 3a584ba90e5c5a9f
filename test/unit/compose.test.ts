import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parse } from 'yaml'
import { z } from 'zod'
import { type Command, isUsedBy } from '../../src/config/setting.ts'
import { SETTINGS } from '../../src/config/settings.ts'

const root = new URL('../../', import.meta.url)

const compose = z.object({
  services: z.record(
    z.string(),
    z.looseObject({
      image: z.string().optional(),
      profiles: z.array(z.string()).optional(),
      ports: z.array(z.string()).default([]),
      volumes: z.array(z.string()).default([]),
      environment: z.record(z.string(), z.unknown()).default({}),
      healthcheck: z.looseObject({}).optional(),
    }),
  ),
  volumes: z.record(z.string(), z.null()),
})

function read(name: string) {
  return compose.parse(parse(readFileSync(new URL(name, root), 'utf8'), { merge: true }))
}

for (const name of ['docker-compose.yml', 'docker-compose.monitoring.yml']) {
  const { services, volumes } = read(name)

  test(`${name} publishes on loopback only, as long as nobody asks for more`, () => {
    for (const port of Object.values(services).flatMap((service) => service.ports)) {
      assert.match(port, /^(127\.0\.0\.1|\$\{BIND_ADDRESS:-127\.0\.0\.1\}):/)
    }
  })

  test(`${name} mounts what is there`, () => {
    for (const volume of Object.values(services).flatMap((service) => service.volumes)) {
      // A name that may be left out stands for the path of the operator's.
      if (volume.startsWith('${')) continue
      const [source = ''] = volume.split(':')
      if (source.startsWith('./')) assert.ok(existsSync(new URL(source, root)), source)
      else if (!source.startsWith('/')) assert.ok(source in volumes, source)
    }
  })
}

const SIDECAR: Command = 'proxy --verify'
for (const [service, command] of [
  ['oncekey', 'serve'],
  ['proxy', SIDECAR],
] as const) {
  test(`every setting of ${command} reaches the container ${service}, and nothing that is no setting`, () => {
    const { environment, volumes } = read('docker-compose.yml').services[service] ?? {}
    assert.ok(environment)
    const used = Object.values(SETTINGS).filter((one) => isUsedBy(one, command))
    const names = Object.keys(environment).filter((name) => !name.startsWith('OTEL_'))
    assert.deepEqual(names.sort(), used.map(({ name }) => name).sort())
    for (const [name, value] of Object.entries(environment)) {
      const isOurs = ['NODE_ENV', 'HOST', 'PORT'].includes(name)
      assert.ok(isOurs || value === null || String(value).startsWith(`\${${name}:`), `${name} cannot be set`)
    }
    const mounted = String(environment.CLIENTS_FILE).replace(/^.*:\+(.*)\}$/, '$1')
    assert.ok(volumes?.includes(`\${CLIENTS_FILE:-/dev/null}:${mounted}:ro`))
  })
}

test('each part of the monitoring is pinned to a version and says whether it is well', () => {
  for (const [name, { image, healthcheck }] of Object.entries(
    read('docker-compose.monitoring.yml').services,
  )) {
    if (image === undefined) continue
    assert.match(image, /:v?\d+\.\d+\.\d+@sha256:[0-9a-f]{64}$/, name)
    assert.ok(healthcheck, `${name} has no health check`)
  }
})

test('Grafana lets nobody in without a password, and its password has no default', () => {
  const environment = read('docker-compose.monitoring.yml').services.grafana?.environment
  assert.equal(environment?.GF_AUTH_ANONYMOUS_ENABLED, 'false')
  assert.match(String(environment?.GF_SECURITY_ADMIN_PASSWORD), /^\$\{GRAFANA_PASSWORD:\?/)
})

test('the second node is the first one again, without its port, and both show their metrics to Prometheus', () => {
  const { oncekey, 'oncekey-2': second } = read('docker-compose.yml').services
  assert.deepEqual(
    { ...second, profiles: undefined, ports: [] },
    { ...oncekey, profiles: undefined, ports: [] },
  )
  assert.deepEqual([second?.profiles, second?.ports], [['scale'], []])
  const watched = read('docker-compose.monitoring.yml').services
  const prometheus = readFileSync(new URL('monitoring/prometheus.yml', root), 'utf8')
  for (const name of ['oncekey', 'oncekey-2']) {
    assert.match(prometheus, new RegExp(`\\b${name}\\b(?!-)`))
    assert.ok(prometheus.includes(String(watched[name]?.environment.METRICS_PORT)))
  }
})
