import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parse, parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { readConfig } from '../../src/config/config.ts'
import { isUsedBy } from '../../src/config/setting.ts'
import { parseDuration } from '../../src/config/setting-values.ts'
import { SETTINGS } from '../../src/config/settings.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const folder = join(root, 'deploy/kubernetes')
/** Where the schema and the type of each kind are. */
const SCHEMAS: Readonly<Record<string, string>> = {
  'apps/v1 Deployment': 'kubernetes-models/apps/v1/Deployment',
  'autoscaling/v2 HorizontalPodAutoscaler': 'kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler',
  'networking.k8s.io/v1 NetworkPolicy': 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy',
  'policy/v1 PodDisruptionBudget': 'kubernetes-models/policy/v1/PodDisruptionBudget',
  'v1 ConfigMap': 'kubernetes-models/v1/ConfigMap',
  'v1 Pod': 'kubernetes-models/v1/Pod',
  'v1 Secret': 'kubernetes-models/v1/Secret',
  'v1 Service': 'kubernetes-models/v1/Service',
  'v1 ServiceAccount': 'kubernetes-models/v1/ServiceAccount',
  'monitoring.coreos.com/v1 ServiceMonitor':
    '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor',
}
/** Examples that are applied by themselves, if at all. */
const APART = new Set(['kustomization.yaml', 'secret.example.yaml', 'sidecar.yaml'])

const meta = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string() }),
})
const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'))
const manifests = files
  .filter((name) => name !== 'kustomization.yaml')
  .flatMap((name) =>
    parseAllDocuments(readFileSync(join(folder, name), 'utf8')).map((document) => {
      assert.deepEqual([...document.errors, ...document.warnings], [], name)
      return { name, manifest: meta.parse(document.toJS()) }
    }),
  )

function schemaOf({ apiVersion, kind }: z.infer<typeof meta>): string {
  const path = SCHEMAS[`${apiVersion} ${kind}`]
  assert.ok(path, `there is no schema for ${apiVersion} ${kind}`)
  return path
}

for (const { name, manifest } of manifests) {
  test(`${name}: ${manifest.kind} ${manifest.metadata.name} is valid by the schema of Kubernetes`, async () => {
    const module: Record<string, new (data: object) => { validate(): void }> = await import(
      schemaOf(manifest)
    )
    const Model = module[manifest.kind]
    assert.ok(Model)
    new Model(manifest).validate()
  })
}

test('no manifest has a member that Kubernetes does not know', () => {
  // The compiler knows the types; the schemas let unknown members pass.
  const directory = mkdtempSync(join(tmpdir(), 'oncekey-kubernetes-'))
  try {
    const lines = manifests.map(({ manifest }, n) => {
      return [
        `import type { I${manifest.kind} as T${n} } from '${schemaOf(manifest)}'`,
        `export const m${n}: T${n} = ${JSON.stringify(manifest)}`,
      ].join('\n')
    })
    writeFileSync(join(directory, 'manifests.ts'), lines.join('\n'))
    const modules = join(root, 'node_modules')
    const compilerOptions = {
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      types: [],
      target: 'es2022',
      module: 'esnext',
      moduleResolution: 'bundler',
      paths: {
        'kubernetes-models/*': [join(modules, 'kubernetes-models/*')],
        '@kubernetes-models/*': [join(modules, '@kubernetes-models/*')],
      },
    }
    writeFileSync(
      join(directory, 'tsconfig.json'),
      JSON.stringify({ compilerOptions, files: ['manifests.ts'] }),
    )
    execFileSync(process.execPath, [join(modules, 'typescript/bin/tsc'), '-p', directory], {
      encoding: 'utf8',
      stdio: 'pipe',
    })
  } catch (error) {
    assert.fail(error instanceof Error && 'stdout' in error ? String(error.stdout) : String(error))
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('the kustomization has every manifest that is there', () => {
  const kustomization = z.strictObject({
    apiVersion: z.literal('kustomize.config.k8s.io/v1beta1'),
    kind: z.literal('Kustomization'),
    labels: z.array(z.strictObject({ pairs: z.record(z.string(), z.string()) })),
    resources: z.array(z.string()),
    images: z.array(z.strictObject({ name: z.string(), newTag: z.string() })),
  })
  const { resources, images } = kustomization.parse(
    parse(readFileSync(join(folder, 'kustomization.yaml'), 'utf8')),
  )
  assert.deepEqual(resources.toSorted(), files.filter((name) => !APART.has(name)).toSorted())
  const { version } = z.object({ version: z.string() }).parse(readJson('package.json'))
  assert.deepEqual(images, [{ name: container().image, newTag: version }])
})

const probe = z.object({ httpGet: z.object({ path: z.string(), port: z.string() }) })
const deployment = z.object({
  spec: z.object({
    selector: z.object({ matchLabels: z.record(z.string(), z.string()) }),
    template: z.object({
      metadata: z.object({ labels: z.record(z.string(), z.string()) }),
      spec: z.object({
        terminationGracePeriodSeconds: z.number(),
        securityContext: z.object({ runAsNonRoot: z.boolean(), runAsUser: z.number() }),
        containers: z.tuple([
          z.object({
            image: z.string(),
            env: z.unknown().optional(),
            envFrom: z.array(z.unknown()),
            ports: z.array(z.object({ name: z.string(), containerPort: z.number() })),
            startupProbe: probe,
            livenessProbe: probe,
            readinessProbe: probe,
            lifecycle: z.object({ preStop: z.object({ sleep: z.object({ seconds: z.number() }) }) }),
            securityContext: z.object({
              readOnlyRootFilesystem: z.boolean(),
              allowPrivilegeEscalation: z.boolean(),
              capabilities: z.object({ drop: z.array(z.string()) }),
            }),
          }),
        ]),
      }),
    }),
  }),
})

function pod() {
  return deployment.parse(manifestOf('deployment.yaml')).spec
}

function container() {
  return pod().template.spec.containers[0]
}

function manifestOf(file: string): unknown {
  return manifests.find(({ name }) => name === file)?.manifest
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(join(root, file), 'utf8'))
}

/** The settings of a manifest, and those that it shows in a comment. */
function settingsIn(file: string): { set: Record<string, string>; shown: string[] } {
  const data = z.record(z.string(), z.string())
  const map = z.object({ data: data.optional(), stringData: data.optional() }).parse(manifestOf(file))
  const lines = readFileSync(join(folder, file), 'utf8').matchAll(/^ {2}# ([A-Z][A-Z_]*): /gm)
  return { set: map.data ?? map.stringData ?? {}, shown: [...lines].map(([, name = '']) => name) }
}

test('the ConfigMap and the Secret have every setting of serve between them, the secret ones in the Secret', () => {
  const serve = Object.values(SETTINGS).filter((one) => isUsedBy(one, 'serve'))
  for (const [file, secret] of [
    ['configmap.yaml', false],
    ['secret.example.yaml', true],
  ] as const) {
    const { set, shown } = settingsIn(file)
    const names = [...Object.keys(set), ...shown]
    const expected = serve.filter((one) => one.secret === secret).map(({ name }) => name)
    assert.deepEqual(names.sort(), expected.sort(), file)
  }
  const { envFrom, env } = container()
  assert.deepEqual(envFrom, [{ configMapRef: { name: 'oncekey' } }, { secretRef: { name: 'oncekey' } }])
  assert.equal(env, undefined, 'it would win over the ConfigMap')
})

test('the settings of the ConfigMap are valid, and the ports are those of the settings', () => {
  const { set } = settingsIn('configmap.yaml')
  const values = readConfig('serve', { ...set, HMAC_SECRET: 'a-secret-of-ours', SIMULATED_GATEWAY: 'on' })
  assert.ok(values.production)
  assert.deepEqual(
    Object.fromEntries(container().ports.map(({ name, containerPort }) => [name, containerPort])),
    {
      http: values.port,
      metrics: values.metricsPort,
    },
  )
})

test('it is killed only after it had its time to stop', () => {
  const { lifecycle } = container()
  const graceMs = parseDuration(settingsIn('configmap.yaml').set.SHUTDOWN_GRACE ?? '')
  // After the grace: a second for responses to reach their clients, two for the stores.
  const neededMs = lifecycle.preStop.sleep.seconds * 1000 + graceMs + 3_500
  assert.ok(pod().template.spec.terminationGracePeriodSeconds * 1000 >= neededMs)
})

test('it starts again for what a start helps, and gets requests when it is ready', () => {
  const { startupProbe, livenessProbe, readinessProbe } = container()
  const paths = [startupProbe, livenessProbe, readinessProbe].map(({ httpGet }) => httpGet.path)
  assert.deepEqual(paths, ['/livez', '/livez', '/readyz'])
})

test('it runs as nobody in particular, and writes nowhere', () => {
  assert.deepEqual(container().securityContext, {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  })
  assert.equal(pod().template.spec.securityContext.runAsNonRoot, true)
  assert.notEqual(pod().template.spec.securityContext.runAsUser, 0)
})

test('everything is about the same pods', () => {
  const { selector, template } = pod()
  assert.deepEqual(selector.matchLabels, template.metadata.labels)
  const selectors = z.looseObject({
    spec: z.looseObject({
      selector: z.looseObject({}).optional(),
      podSelector: z.looseObject({}).optional(),
    }),
  })
  for (const file of [
    'service.yaml',
    'poddisruptionbudget.yaml',
    'networkpolicy.yaml',
    'servicemonitor.yaml',
  ]) {
    const { spec } = selectors.parse(manifestOf(file))
    const found = spec.podSelector ?? spec.selector
    assert.deepEqual(found?.matchLabels ?? found, selector.matchLabels, file)
  }
})
