import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { FaultProxy } from '../../src/tools/faults/fault-proxy.ts'
import { needProgram } from '../support/programs.ts'
import { type ServiceOnDatabase, startServiceOnDatabase } from '../support/service-on-database.ts'

const EXAMPLES = fileURLToPath(new URL('../../examples/', import.meta.url))
const SECRET = 'a secret of acme, 2026'
const directory = mkdtempSync(join(tmpdir(), 'oncekey-examples-'))
const run = promisify(execFile)
let running: ServiceOnDatabase

before(async () => {
  running = await startServiceOnDatabase({ RATE_LIMITS: 'none', HMAC_SECRET: SECRET })
})

after(async () => {
  await running.close()
  rmSync(directory, { recursive: true })
})

interface Example {
  /** The program that runs it, and the package of Debian that has it. */
  program: [name: string, debianPackage: string]
  args: string[]
  /** What must run before it. */
  compile?: { program: [name: string, debianPackage: string]; args: string[] }
}

const GO = join(directory, 'order')
const MONO = join(directory, 'Order.exe')

const RUNS: Record<string, Example> = {
  'order.sh': { program: ['bash', 'bash curl openssl'], args: ['order.sh'] },
  'order.py': { program: ['python3', 'python3'], args: ['order.py'] },
  'order_requests.py': { program: ['python3', 'python3 python3-requests'], args: ['order_requests.py'] },
  'Order.java': { program: ['java', 'openjdk-17-jdk-headless'], args: ['Order.java'] },
  'order.go': {
    program: [GO, 'golang-go'],
    args: [],
    compile: { program: ['go', 'golang-go'], args: ['build', '-o', GO, 'order.go'] },
  },
  'order.php': { program: ['php', 'php-cli php-curl'], args: ['order.php'] },
  'order.rb': { program: ['ruby', 'ruby'], args: ['order.rb'] },
  'order.pl': { program: ['perl', 'perl'], args: ['order.pl'] },
  'Order.cs': {
    program: ['mono', 'mono-runtime libmono-system-net-http4.0-cil libmono-system-core4.0-cil'],
    args: [MONO],
    compile: { program: ['mcs', 'mono-mcs'], args: ['-r:System.Net.Http', `-out:${MONO}`, 'Order.cs'] },
  },
  'order.mjs': { program: ['node', 'nodejs'], args: ['order.mjs'] },
}

test('each example is run here', () => {
  const files = readdirSync(EXAMPLES).filter((name) => name !== 'README.md')
  assert.deepEqual(files.toSorted(), Object.keys(RUNS).toSorted())
})

/** On a machine that compiles Go for the first time. */
const TIMEOUT_MS = 180_000

for (const [file, { program, args, compile }] of Object.entries(RUNS)) {
  test(`${file}: one order, although every second connection ends without a response`, async () => {
    const struck: number[] = []
    const proxy = new FaultProxy({
      target: { host: '127.0.0.1', port: running.port },
      onStruck: ({ connection }) => struck.push(connection),
    })
    // The first one too: the service has the order, and the client does not know.
    proxy.set((n) => (n % 2 === 1 ? { cut: { directions: 'down', afterBytes: 0, reset: false } } : {}))
    await proxy.start()
    const { PATH = '', HOME = '' } = process.env
    const settings = { ONCEKEY_URL: `http://127.0.0.1:${proxy.port}`, ONCEKEY_SECRET: SECRET }
    const env = {
      PATH,
      HOME,
      LC_ALL: 'C.UTF-8',
      GOCACHE: join(directory, 'go'),
      GOFLAGS: '-mod=mod',
      ...settings,
    }
    const options = { cwd: EXAMPLES, env, timeout: TIMEOUT_MS }
    const key = `example-${file.replace('.', '-')}`
    try {
      if (compile !== undefined) await run(needProgram(...compile.program), compile.args, options)
      const [name, packages] = program
      const runner = name.startsWith('/') ? name : needProgram(name, packages)
      const { stdout } = await run(runner, [...args, key], options)
      const [placed = '', found = ''] = stdout.split('\n')
      assert.match(placed, /^201 \{"order":\{"id":"[^"]+","user_id":"user-1","item":"Käse","amount":19.9,/)
      const id = /"id":"([^"]+)"/.exec(placed)?.[1] ?? '-'
      assert.match(found, /^200 \{"orders":\[/)
      assert.equal(found.split(id).length, 2, `found once: ${found}`)
    } finally {
      await proxy.close()
    }
    assert.ok(struck.includes(1), 'the response to the order was lost')
    const orders = (await running.orders()).filter((order) => order.idempotency_key === key)
    assert.equal(orders.length, 1)

    const wrong = { ...options, env: { ...env, ONCEKEY_URL: running.service.url, ONCEKEY_SECRET: 'wrong' } }
    const refused: unknown = await run(program[0], [...args, key], wrong).catch((error: unknown) => error)
    assert.ok(
      refused instanceof Error && 'stdout' in refused && 'stderr' in refused,
      'it ends with a failure',
    )
    assert.match(`${refused.stdout}${refused.stderr}`, /401 .*"code":"signature_invalid"/)
    assert.doesNotMatch(`${refused.stderr}`, /Traceback|Exception|goroutine/)
  })
}
