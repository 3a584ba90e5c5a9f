import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { freePort } from '../support/servers.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

function run(program: string, args: string[], env: Record<string, string> = {}) {
  const { PATH = '', HOME = '' } = process.env
  const options = { cwd: ROOT, env: { PATH, HOME, ...env }, encoding: 'utf8', timeout: 60_000 } as const
  const { status, stdout, stderr } = spawnSync(program, args, options)
  return { status, stdout, stderr }
}

test('an unknown stage gets one line that says what to do', () => {
  assert.deepEqual(run('./test.sh', ['unit', 'nonsense']), {
    status: 2,
    stdout: '',
    stderr: "test.sh: there is no stage 'nonsense'; ./test.sh --help lists them\n",
  })
})

test('a server that refuses gets one line that names its setting, and no password', async () => {
  const port = await freePort()
  const { status, stderr } = run(process.execPath, ['test/support/check-servers.js'], {
    TEST_REDIS_URL: `redis://user:secret@127.0.0.1:${port}`,
    TEST_DATABASE_URL: `postgres://user:secret@127.0.0.1:${port}/postgres`,
  })
  assert.equal(status, 1)
  const [redis = '', database = '', ...more] = stderr.trimEnd().split('\n')
  assert.match(redis, /^The server of TEST_REDIS_URL \(.*ECONNREFUSED.*unset TEST_REDIS_URL/)
  assert.match(database, /^The server of TEST_DATABASE_URL \(.*ECONNREFUSED.*unset TEST_DATABASE_URL/)
  assert.deepEqual(more, [])
  assert.doesNotMatch(stderr, /secret/)
})

test('the files that are started first exist', () => {
  const names = Object.keys(JSON.parse(readFileSync(join(ROOT, 'test/support/slow-files.json'), 'utf8')))
  assert.ok(names.length > 0)
  for (const name of names) assert.ok(existsSync(join(ROOT, 'test', name)), name)
})

/** What the runner makes of these files, each with its source. */
function runFiles(t: TestContext, files: Record<string, string>) {
  const directory = mkdtempSync(join(tmpdir(), 'oncekey-runner-'))
  t.after(() => rmSync(directory, { recursive: true }))
  for (const [name, source] of Object.entries(files)) writeFileSync(join(directory, name), source)
  const { status, stdout } = run(process.execPath, ['test/support/run-tests.js', directory, directory])
  return { status, stdout, sums: readFileSync(join(directory, 'sums'), 'utf8') }
}

test('the runner counts what passes, fails, is skipped or ends without a result, and shows why', (t) => {
  const { status, stdout, sums } = runFiles(t, {
    'passes.test.ts': "import { test } from 'node:test'\ntest('one', () => {})\ntest('two', () => {})\n",
    'fails.test.ts':
      "import { test } from 'node:test'\nconst what: string = 'broken'\ntest('outer', async (t) => { await t.test('inner', () => { throw new Error(what) }) })\n",
    'skips.test.ts': "import { test } from 'node:test'\ntest('later', { skip: true }, () => {})\n",
    'ends.test.ts': "process.stderr.write('no memory')\nprocess.exit(3)\n",
    'none.test.ts': 'export {}\n',
  })
  // The inner test and the outer one, the skipped one, and two files without a result.
  assert.equal(sums, '2 5\n')
  assert.equal(status, 1)
  assert.match(stdout, /fails\.test\.ts: outer > inner\n {4}Error: broken\n.*fails\.test\.ts:3:/)
  assert.match(stdout, /ends\.test\.ts: .*\n {4}ended with 3\n {4}no memory/)
  assert.match(stdout, /skips\.test\.ts: later\n/)
})
