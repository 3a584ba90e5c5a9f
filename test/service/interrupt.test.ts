import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startService } from '../support/service.ts'

/** What npm needs to pass a SIGINT on; shorter than the service needs to close its embedded database. */
const PASSED_ON_MS = 20

test('Ctrl-C under npm, which arrives twice, is one wish: the service ends in order', async () => {
  const service = await startService()
  service.signal('SIGINT')
  await sleep(PASSED_ON_MS)
  service.signal('SIGINT')
  assert.deepEqual(await service.ended(), { code: 0, signal: null })
  assert.match(service.log(), /"msg":"stopped"/)
})
