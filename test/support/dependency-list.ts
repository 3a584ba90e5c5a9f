import { z } from 'zod'

const lockFile = z.object({
  packages: z.record(
    z.string(),
    z.object({
      version: z.string().optional(),
      license: z.string().optional(),
      dev: z.boolean().optional(),
      // Of the lock file: what only development needs, or may be left out.
      devOptional: z.boolean().optional(),
      dependencies: z.record(z.string(), z.string()).optional(),
    }),
  ),
})

/** What may be shipped with an MIT program without more than naming it. */
export const ALLOWED_LICENCES: ReadonlySet<string> = new Set([
  ...[
    'MIT',
    'ISC',
    'BSD-2-Clause',
    'BSD-3-Clause',
    'Apache-2.0',
    '0BSD',
    'Unlicense',
    'CC0-1.0',
    'BlueOak-1.0.0',
  ],
])

/** Why package.json names it. */
const REASONS: Record<string, string> = {
  '@electric-sql/pglite': 'the embedded database',
  '@koa/router': 'routes',
  cockatiel: 'the circuit breaker before the payment gateway',
  ioredis: 'Redis, Cluster and Sentinel',
  koa: 'the pipeline of stages',
  'lru-cache': 'responses that were replayed a moment ago',
  'koa-bodyparser': 'the parsed body of `/pay`',
  pino: 'the log',
  postgres: 'PostgreSQL',
  'prom-client': 'the metrics',
  undici: 'requests to the backend of the sidecar and to the payment gateway',
  uuid: 'ids that are ordered by time',
  zod: 'one schema for validation, types and OpenAPI',
}

export interface Dependency {
  name: string
  version: string
  licence: string
  why: string
}

/** All packages that a production installation has, by what package-lock.json says. Throws for a direct one without a reason. */
export function productionDependencies(lockText: string): Dependency[] {
  const { packages } = lockFile.parse(JSON.parse(lockText))
  const direct = Object.keys(packages['']?.dependencies ?? {})
  const unexplained = direct.filter((name) => REASONS[name] === undefined)
  if (unexplained.length > 0)
    throw new Error(`say in this file why these are needed: ${unexplained.join(', ')}`)
  const shipped = Object.entries(packages).filter(
    ([path, { dev, devOptional }]) => path !== '' && !dev && !devOptional,
  )
  const wantedBy = (name: string) =>
    shipped.flatMap(([path, { dependencies = {} }]) =>
      Object.hasOwn(dependencies, name) ? [nameOf(path)] : [],
    )
  return shipped
    .map(([path, { version = '', license = 'none' }]) => {
      const name = nameOf(path)
      const parents = [...new Set(wantedBy(name))].sort().join(', ')
      return { name, version, licence: license, why: REASONS[name] ?? `by ${parents}` }
    })
    .sort((a, b) => (`${a.name} ${a.version}` < `${b.name} ${b.version}` ? -1 : 1))
}

/** docs/dependencies.md. */
export function dependencyPage(lockText: string): string {
  const list = productionDependencies(lockText)
  const licences = new Map<string, number>()
  for (const { licence } of list) licences.set(licence, (licences.get(licence) ?? 0) + 1)
  const counts = [...licences].sort(([, a], [, b]) => b - a).map(([licence, count]) => `${count} ${licence}`)
  return `# Dependencies

Every package that an installation for production has, from \`package-lock.json\`. \`npm run list-dependencies\` writes this
page; a test fails when it is not up to date, and when a licence is not one of ${[...ALLOWED_LICENCES].join(', ')}.
What only development and tests need is not shipped and not listed. OpenTelemetry is optional and installed by the
operator. \`npm audit --omit=dev\` is in [threat-model.md](threat-model.md#dependencies).

${list.length} packages: ${counts.join(', ')}.

| package | version | licence | why |
|---|---|---|---|
${list.map(({ name, version, licence, why }) => `| ${name} | ${version} | ${licence} | ${why} |`).join('\n')}
`
}

/** Of `node_modules/a/node_modules/@b/c`: `@b/c`. */
function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
}
