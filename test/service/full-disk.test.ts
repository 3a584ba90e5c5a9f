import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { newKey, orderBody, postOrder, send } from '../support/order-client.ts'
import { startServiceOnDatabase } from '../support/service-on-database.ts'
import { until } from '../support/until.ts'

/** Every write to it fails with ENOSPC. Linux has it; elsewhere there is no such device to try with. */
const FULL = '/dev/full'

test('a log on a full disk is told once on standard error, orders go on, the exit code is 0', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'oncekey-full-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const LOG_FILE = join(directory, 'log')
  symlinkSync(FULL, LOG_FILE)
  const { service, close, orders } = await startServiceOnDatabase({ LOG_FILE, RATE_LIMITS: 'none' })
  t.after(close)
  const told = () => service.log().split('the log cannot be written').length - 1
  await until('it is told', () => told() === 1)
  for (let i = 0; i < 40; i++) {
    assert.equal((await postOrder(service.url, newKey(), orderBody())).status, 201)
  }
  assert.equal((await send(`${service.url}/readyz`)).status, 200)
  assert.match(service.log(), /oncekey: the log cannot be written: ENOSPC/)
  assert.equal(told(), 1)
  assert.deepEqual(await service.stop(), { code: 0, signal: null })
  assert.equal((await orders()).length, 40)
})
