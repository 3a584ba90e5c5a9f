import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { install, manifest, pack, ROOT, runIn } from '../support/installed-package.ts'
import { startService } from '../support/service.ts'

const packed = pack()
// What an app in TypeScript brings: the types of Koa are an optional peer dependency.
const installed = install(packed, ['@types/koa', '@types/node'])

/** Everything that may be in the package. What the build lays beside its output for others is in the last line. */
const ALLOWED = [
  /^(package\.json|README\.md|LICENSE|src\/oncekey\.js)$/,
  /^sql\/(\d{3}_\w+|functions\/\w+|partitioning\/by_client|distributed\/\w+|distributing\/\w+|upgrade\/012_from_0_1_breaking)\.sql$/,
  /^dist\/initial-data\.br$/,
  /^dist\/(src|internal)\/[\w/-]+\.(js|d\.ts|lua)$/,
  /^dist\/internal\/(?:docs|console)\/browser\/[\w-]+\.(html|css|svg)$/,
  /^dist\/internal\/docs\/vendor\/(LICENSE|NOTICE|swagger-ui[\w.-]+)$/,
]

test('the package holds what was built, the schema and the start file, and nothing else', () => {
  const strange = packed.files.filter((file) => !ALLOWED.some((pattern) => pattern.test(file)))
  assert.deepEqual(strange, [])
  for (const file of [
    'dist/initial-data.br',
    'LICENSE',
    'README.md',
    'package.json',
    'src/oncekey.js',
    'dist/src/index.d.ts',
  ]) {
    assert.ok(packed.files.includes(file), file)
  }
  // Source maps stay out, since the sources do; so does the note of what `dist` was built from.
  const wanted = ['dist', 'sql']
    .flatMap(filesIn)
    .filter((file) => !/\.map$|\/\.built-from$|\.version$/.test(file))
  assert.deepEqual(
    wanted.filter((file) => !packed.files.includes(file)),
    [],
  )
  assert.ok(
    wanted.some((file) => file.endsWith('.lua')) && wanted.some((file) => file.endsWith('.sql')),
    'scripts and schema were found',
  )
})

function filesIn(directory: string): string[] {
  return readdirSync(join(ROOT, directory), { withFileTypes: true }).flatMap((entry) => {
    const path = `${directory}/${entry.name}`
    return entry.isDirectory() ? filesIn(path) : [path]
  })
}

test('publint finds nothing to complain about', async () => {
  const { messages, pkg } = await publint({ pkgDir: installed.package, pack: false, strict: true })
  assert.equal(pkg.name, manifest.name)
  assert.deepEqual(
    messages.map((message) => formatMessage(message, pkg, { color: false })),
    [],
  )
})

const CONSUMER = `
import Koa from 'koa'
import { type Middleware, memoryLimiter, parseRateLimits, rateLimit, type RequestState, ServiceError } from 'oncekey'

const hello: Middleware = async function hello(ctx) {
  const client: string | undefined = ctx.state.caller?.client
  // @ts-expect-error: a client is no number, so the state is not 'any'
  const wrong: number = ctx.state.caller?.client
  // @ts-expect-error: there is no such code
  if (client === undefined) throw new ServiceError('no_such_code', String(wrong))
  ctx.body = client
}
const limits = parseRateLimits('client=1/60s')
const limit = rateLimit({ limiter: memoryLimiter(), limits, group: 'all', route: 'GET /' })
new Koa<RequestState>().use(limit).use(hello)
`

for (const [module, moduleResolution] of [
  ['NodeNext', 'NodeNext'],
  ['ESNext', 'Bundler'],
]) {
  test(`an app in TypeScript finds the types with module resolution ${moduleResolution}`, () => {
    writeFileSync(join(installed.directory, 'app.mts'), CONSUMER)
    const compilerOptions = {
      module,
      moduleResolution,
      target: 'ES2023',
      types: ['node'],
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
      skipLibCheck: false,
    }
    const settings = JSON.stringify({ compilerOptions, files: ['app.mts'] })
    writeFileSync(join(installed.directory, 'tsconfig.json'), settings)
    const compiler = join(ROOT, 'node_modules/typescript/bin/tsc')
    const { status, stdout } = runIn(installed.directory, process.execPath, [compiler, '-p', '.'])
    assert.deepEqual([stdout, status], ['', 0])
  })
}

test('npm installs the package beside the types of Koa 2.15 and of Koa 3', () => {
  const { peerDependencies }: { peerDependencies: Record<string, string> } = JSON.parse(
    readFileSync(join(installed.package, 'package.json'), 'utf8'),
  )
  assert.equal(peerDependencies['@types/koa'], '^2.15.0 || ^3.0.0')
})

test('the installed command tells its version and its commands', () => {
  const version = runIn(installed.directory, installed.command, ['--version'])
  assert.deepEqual(version, { status: 0, stdout: `${manifest.version}\n`, stderr: '' })
  const help = runIn(installed.directory, installed.command, ['--help'])
  assert.deepEqual([help.status, help.stderr], [0, ''])
  assert.match(help.stdout, /^Usage: oncekey COMMAND[\s\S]*^ {2}serve /m)
})

test('the installed command serves with an embedded database', async () => {
  const service = await startService({}, ['serve'], installed.command)
  const order = { 'Content-Type': 'application/json', 'Idempotency-Key': 'key-001' }
  const send = () =>
    fetch(`${service.url}/orders`, {
      method: 'POST',
      headers: {
        ...order,
        'X-Signature': 'f49acc5c7122935b3af5aa13954272814438bf30ad07d80bf7b959037a64b4a1',
      },
      body: '{"user_id":"user-1","item":"book","amount":500}',
    })
  const [first, second] = [await send(), await send()]
  assert.deepEqual([first.status, second.status], [201, 201])
  assert.equal(second.headers.get('Idempotent-Replayed'), 'true')
  assert.equal(await first.text(), await second.text())
  assert.deepEqual(await service.stop(), { code: 0, signal: null })
  assert.doesNotMatch(service.log(), /building|installing/)
})
