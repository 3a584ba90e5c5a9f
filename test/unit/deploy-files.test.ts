import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parseAllDocuments } from 'yaml'
import { z } from 'zod'

const path = (name: string) => new URL(`../../${name}`, import.meta.url)

function documents(name: string): unknown[] {
  // `unique keys` and the strictness of YAML 1.2 are the defaults of the parser.
  return parseAllDocuments(readFileSync(path(name), 'utf8')).map((document) => {
    assert.deepEqual([document.errors, document.warnings], [[], []], name)
    return document.toJS()
  })
}

const probe = z.object({ httpGet: z.object({ path: z.enum(['/livez', '/readyz']), port: z.string() }) })
const container = z.object({
  name: z.string(),
  args: z.array(z.string()),
  env: z
    .array(z.object({ name: z.string(), value: z.string().optional(), valueFrom: z.unknown().optional() }))
    .default([]),
  ports: z.array(z.object({ name: z.string(), containerPort: z.number() })).default([]),
  securityContext: z.strictObject({
    runAsUser: z.number().min(1),
    runAsGroup: z.number().min(1),
    allowPrivilegeEscalation: z.literal(false),
    readOnlyRootFilesystem: z.literal(true),
    capabilities: z.strictObject({ drop: z.tuple([z.literal('ALL')]) }),
  }),
})
const sidecar = container.extend({
  restartPolicy: z.literal('Always'),
  startupProbe: probe,
  livenessProbe: probe,
  readinessProbe: probe,
})
const deployment = z.object({
  kind: z.literal('Deployment'),
  spec: z.object({
    selector: z.object({ matchLabels: z.record(z.string(), z.string()) }),
    template: z.object({
      metadata: z.object({ labels: z.record(z.string(), z.string()) }),
      spec: z.object({
        securityContext: z.object({ runAsNonRoot: z.literal(true) }),
        initContainers: z.tuple([sidecar]),
        containers: z.tuple([container]),
      }),
    }),
  }),
})
const service = z.object({
  kind: z.literal('Service'),
  spec: z.object({
    selector: z.record(z.string(), z.string()),
    ports: z.array(z.object({ targetPort: z.string() })),
  }),
})

test('the Kubernetes example is a Pod in which the sidecar stands before the backend, without privileges', () => {
  const [first, second] = documents('deploy/kubernetes/sidecar.yaml')
  const { spec } = deployment.parse(first)
  const { spec: lead } = service.parse(second)
  const { labels } = spec.template.metadata
  assert.deepEqual(spec.selector.matchLabels, labels)
  assert.deepEqual(lead.selector, labels)
  const { initContainers, containers } = spec.template.spec
  const [proxy] = initContainers
  const ports = new Map(proxy.ports.map(({ name, containerPort }) => [name, containerPort]))
  assert.deepEqual(
    lead.ports.map(({ targetPort }) => ports.get(targetPort)),
    [8_080],
    'the Service leads to the sidecar, not to the backend',
  )
  assert.equal(proxy.args[0], 'proxy')
  assert.ok(proxy.args.includes(`--port=${ports.get('http')}`))
  assert.ok(proxy.args.includes(`--admin-port=${ports.get('admin')}`))
  for (const { httpGet } of [proxy.startupProbe, proxy.livenessProbe, proxy.readinessProbe]) {
    assert.equal(httpGet.port, 'admin')
  }
  const [own] = containers
  assert.ok(proxy.args.includes('--target=http://127.0.0.1:8081') && own.args.includes('--port=8081'))
  const redis = proxy.env.find(({ name }) => name === 'REDIS_URL')
  assert.equal(redis?.value, undefined, 'the address of Redis has a password: it is in a Secret')
  assert.ok(redis?.valueFrom)
})

const compose = z.object({
  services: z.record(
    z.string(),
    z.object({
      profiles: z.array(z.string()).optional(),
      command: z.array(z.string()).optional(),
      ports: z.array(z.string()).optional(),
      depends_on: z.record(z.string(), z.unknown()).optional(),
    }),
  ),
})

test('without a profile Compose starts what it started before; with "proxy" the sidecar and its backend', () => {
  const { services } = compose.parse(documents('docker-compose.yml')[0])
  const inProfile = (profile?: string) =>
    Object.keys(services).filter((name) => services[name]?.profiles?.[0] === profile)
  assert.deepEqual(inProfile(), ['oncekey', 'migrate', 'postgres', 'redis'])
  assert.deepEqual(inProfile('proxy'), ['proxy', 'backend'])
  assert.deepEqual(Object.keys(services.proxy?.depends_on ?? {}), ['redis', 'backend'])
  assert.ok(services.proxy?.command?.includes('http://backend:8081'))
  assert.deepEqual(services.backend?.command, ['backend', '--host', '0.0.0.0', '--port', '8081'])
  assert.equal(services.backend?.ports, undefined, 'nobody goes around the sidecar')
})

test('every image of others is pinned by its digest', () => {
  const files = ['docker-compose.yml', 'docker-compose.monitoring.yml', 'Dockerfile']
  const images = files.flatMap((name) =>
    [...readFileSync(path(name), 'utf8').matchAll(/^(?:FROM| +image:) +(\S+)/gm)].map(
      ([, image = '']) => image,
    ),
  )
  assert.ok(images.length > 8)
  for (const image of images) assert.match(image, /^oncekey$|^[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}$/)
})

test('the service of Compose has a role that owns nothing, and starts when the owner has migrated', () => {
  const environments = z.object({
    services: z.record(z.string(), z.object({ environment: z.record(z.string(), z.unknown()).optional() })),
  })
  const [file] = documents('docker-compose.yml')
  const { services } = environments.parse(file)
  const user = (name: string) =>
    /postgres:\/\/(\w+):\$\{(\w+)/.exec(String(services[name]?.environment?.DATABASE_URL))
  assert.deepEqual(user('oncekey')?.slice(1), ['oncekey', 'POSTGRES_PASSWORD'])
  assert.deepEqual(user('migrate')?.slice(1), ['oncekey_owner', 'POSTGRES_OWNER_PASSWORD'])
  assert.equal(
    services.postgres?.environment?.POSTGRES_USER,
    undefined,
    'no superuser is called as the service',
  )
  const { depends_on } = compose.parse(file).services.oncekey ?? {}
  assert.deepEqual(depends_on?.migrate, { condition: 'service_completed_successfully' })
})
