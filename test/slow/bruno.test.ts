import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { type ServiceOnDatabase, startServiceOnDatabase } from '../support/service-on-database.ts'

const CLI = '@usebruno/cli@4.1.0'
/** On a busy machine that has none of its packages yet. */
const TIMEOUT_MS = 600_000
const COLLECTION = fileURLToPath(new URL('../../bruno/', import.meta.url))
const directory = mkdtempSync(join(tmpdir(), 'oncekey-bruno-'))
const collection = join(directory, 'collection')
const SECRET = 'a secret of acme'

const REPORT = z.array(
  z.object({
    results: z.array(
      z.object({
        test: z.object({ filename: z.string() }),
        error: z.unknown(),
        response: z.object({ status: z.number() }),
        testResults: z.array(z.object({ description: z.string(), status: z.string() })),
      }),
    ),
  }),
)

/** Resolves with the exit code and all that was printed. */
function run(cwd: string, program: string, ...args: string[]): Promise<{ code: unknown; text: string }> {
  return new Promise((resolve) => {
    execFile(program, args, { cwd, timeout: TIMEOUT_MS }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : error.code, text: `${stdout}\n${stderr}` })
    })
  })
}

let world: ServiceOnDatabase
before(async () => {
  world = await startServiceOnDatabase({ HMAC_SECRET: SECRET })
  cpSync(COLLECTION, collection, { recursive: true })
  writeFileSync(join(directory, 'package.json'), '{"private":true}')
  const install = ['install', '--silent', '--no-audit', '--no-fund', '--ignore-scripts', CLI]
  const { code, text } = await run(directory, 'npm', ...install)
  assert.equal(code, 0, text)
})
after(async () => {
  await world.close()
  rmSync(directory, { recursive: true, force: true })
})

test('the collection for Bruno signs, retries and is refused as it says, in its safe sandbox', async () => {
  const variables = [`base_url=${world.service.url}`, `secret=${SECRET}`].flatMap((one) => ['--env-var', one])
  const bru = join(directory, 'node_modules/.bin/bru')
  const args = ['run', '--env', 'demo', ...variables, '--reporter-json', 'report.json']
  const { code, text } = await run(collection, bru, ...args)
  assert.equal(code, 0, text)
  const [report] = REPORT.parse(JSON.parse(readFileSync(join(collection, 'report.json'), 'utf8')))
  const results = report?.results ?? []
  const requests = readdirSync(COLLECTION).filter((name) => /^\d\d-.*\.bru$/.test(name))
  assert.equal(results.length, requests.length)
  for (const { test: one, testResults } of results) {
    assert.ok(testResults.length > 0, `${one.filename} tests nothing`)
    for (const { description, status } of testResults)
      assert.equal(status, 'pass', `${one.filename}: ${description}`)
  }
  assert.deepEqual(
    results.map(({ response }) => response.status),
    [201, 201, 409, 200, 200, 200, 200, 200, 401, 200],
  )
  assert.equal((await world.orders()).length, 1)
})
