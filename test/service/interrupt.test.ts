import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startService } from '../support/service.ts'

/** What npm needs to pass a signal on; shorter than the service needs to close its embedded database. */
const PASSED_ON_MS = 20

const PAIRS: { what: string; signals: NodeJS.Signals[] }[] = [
  { what: 'Ctrl-C under npm', signals: ['SIGINT', 'SIGINT'] },
  { what: 'SIGTERM to all processes of a service under npm', signals: ['SIGTERM', 'SIGTERM'] },
  { what: 'SIGTERM of systemd with SendSIGHUP', signals: ['SIGTERM', 'SIGHUP'] },
]

for (const { what, signals } of PAIRS) {
  test(`${what}, which arrives twice, is one wish: the service ends in order`, async () => {
    const service = await startService()
    for (const signal of signals) {
      service.signal(signal)
      await sleep(PASSED_ON_MS)
    }
    assert.deepEqual(await service.ended(), { code: 0, signal: null })
    assert.match(service.log(), /"msg":"stopped"/)
  })
}
