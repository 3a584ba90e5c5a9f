import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { FaultProxy } from '../../src/tools/faults/fault-proxy.ts'
import {
  EXAMPLE_TIMEOUT_MS,
  EXAMPLES,
  exampleCommand,
  exampleEnvironment,
} from '../support/example-languages.ts'
import { type ServiceOnDatabase, startServiceOnDatabase } from '../support/service-on-database.ts'

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

const FILES = readdirSync(EXAMPLES).filter((name) => /^order/i.test(name))

test('every file is an order, which is run here, or a webhook', () => {
  const others = readdirSync(EXAMPLES).filter((name) => !FILES.includes(name) && !/^webhook/i.test(name))
  assert.deepEqual(others, ['README.md'])
  assert.equal(FILES.length, 10)
})

for (const file of FILES) {
  test(`${file}: one order, although every second connection ends without a response`, async () => {
    const struck: number[] = []
    const proxy = new FaultProxy({
      target: { host: '127.0.0.1', port: running.port },
      onStruck: ({ connection }) => struck.push(connection),
    })
    // The first one too: the service has the order, and the client does not know.
    proxy.set((n) => (n % 2 === 1 ? { cut: { directions: 'down', afterBytes: 0, reset: false } } : {}))
    await proxy.start()
    const env = {
      ...exampleEnvironment(directory),
      ONCEKEY_URL: `http://127.0.0.1:${proxy.port}`,
      ONCEKEY_SECRET: SECRET,
    }
    const options = { cwd: EXAMPLES, env, timeout: EXAMPLE_TIMEOUT_MS }
    const { program, args } = await exampleCommand(file, directory)
    const key = `example-${file.replace('.', '-')}`
    try {
      const { stdout } = await run(program, [...args, key], options)
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
    const refused: unknown = await run(program, [...args, key], wrong).catch((error: unknown) => error)
    assert.ok(
      refused instanceof Error && 'stdout' in refused && 'stderr' in refused,
      'it ends with a failure',
    )
    assert.match(`${refused.stdout}${refused.stderr}`, /401 .*"code":"signature_invalid"/)
    assert.doesNotMatch(`${refused.stderr}`, /Traceback|Exception|goroutine/)
  })
}
