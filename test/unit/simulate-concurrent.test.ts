import assert from 'node:assert/strict'
import { test } from 'node:test'
import { jsonBody } from '../../internal/http/json-body.ts'
import { rawBody } from '../../internal/http/raw-body.ts'
import { apiKeys, TemporaryApiKeys } from '../../internal/signature/api-keys.ts'
import { simulateConcurrent } from '../../src/service/simulate-concurrent.ts'
import { serveApp } from '../support/serve-app.ts'

const lasting = apiKeys([{ user: 'ann', key: 'key-of-ann' }])

test('a temporary key works until it is removed, beside the keys of the settings', () => {
  const keys = new TemporaryApiKeys(lasting)
  const [one, other] = [keys.add('simulation-1'), keys.add('simulation-2')]
  assert.notEqual(one, other)
  assert.deepEqual(
    [keys.find(one), keys.find(other), keys.find('key-of-ann')],
    ['simulation-1', 'simulation-2', 'ann'],
  )
  keys.remove('simulation-1')
  assert.deepEqual([keys.find(one), keys.find(other), keys.find('')], [undefined, 'simulation-2', undefined])
})

test('the user of a simulation exists while it runs only, also when it fails', async (t) => {
  const keys = new TemporaryApiKeys(lasting)
  const seen: string[] = []
  const found: (string | undefined)[] = []
  const port = await serveApp(
    t,
    async (ctx, next) => {
      if (ctx.path !== '/api/v1/payments') return await next()
      const key = ctx.get('Authorization').replace('Bearer ', '')
      seen.push(key)
      found.push(keys.find(key))
      ctx.status = 418
    },
    rawBody({ maxBodyBytes: 1_000, timeoutMs: 5_000 }),
    jsonBody({ absent: {} }),
    simulateConcurrent(keys),
  )
  const response = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST' })
  const report: unknown = await response.json()
  assert.ok(typeof report === 'object' && report !== null && 'failed' in report && 'executed' in report)
  assert.deepEqual([report.executed, report.failed], [0, 5])
  assert.equal(seen.length, 5)
  assert.equal(new Set(found).size, 1)
  assert.match(found[0] ?? '', /^simulation-[0-9a-f]{12}$/)
  assert.deepEqual(
    seen.map((key) => keys.find(key)),
    seen.map(() => undefined),
  )
})
