import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createLogger } from '../../internal/telemetry/logger.ts'
import { runService } from '../../src/runtime/run-service.ts'

test('a log that is rotated while the service is being opened is opened anew once it is ready', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'oncekey-rotation-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const logFile = join(directory, 'log')
  const logger = createLogger({ level: 'info', file: logFile, worker: undefined })
  const settings = { workers: 1, host: '127.0.0.1', port: 0, shutdownGraceMs: 1, logLevel: 'info', logFile }
  // Other files of tests may share the process, and end with it on a signal.
  const signals = ['SIGHUP', 'SIGTERM', 'SIGINT'] as const
  const before = new Set(signals.flatMap((signal) => process.listeners(signal)))
  const own = (signal: NodeJS.Signals) => process.listeners(signal).filter((one) => !before.has(one))
  t.after(() => {
    for (const signal of signals) for (const one of own(signal)) process.off(signal, one)
  })
  const open = async () => {
    renameSync(logFile, `${logFile}.1`)
    for (const listener of own('SIGHUP')) listener('SIGHUP')
    return { port: 1, logger, close: async () => {} }
  }
  await runService(settings, open, () => '')
  logger.flushSync()
  assert.match(readFileSync(logFile, 'utf8'), /"msg":"ready"/)
})
