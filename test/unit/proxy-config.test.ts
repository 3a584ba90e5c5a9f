import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readProxyConfig } from '../../src/sidecar/proxy-config.ts'
import { configFaults } from '../support/config-faults.ts'

const TARGET = ['--target', 'http://127.0.0.1:8081']

const faultsOf = (args: string[], env: Record<string, string> = {}) =>
  configFaults(() => readProxyConfig(args, env))

test('with a target alone the defaults of the contract are in force', () => {
  const { settings, ...own } = readProxyConfig(TARGET, {})
  assert.deepEqual(own, {
    target: { origin: 'http://127.0.0.1:8081', basePath: '', host: '127.0.0.1:8081' },
    adminPort: undefined,
    requireKey: new Set(),
    verify: false,
    caller: undefined,
    preserveHost: false,
    keepAlive: true,
    name: undefined,
    onUnknown: 'hold',
    on5xx: 'auto',
    lookupUrl: undefined,
    maxDurationMs: 600_000,
    timeoutMs: 600_000,
    connectTimeoutMs: 5_000,
  })
  const { host, port, dataDir, idempotencyStore, rateLimits } = settings
  assert.deepEqual([host, port, dataDir], ['127.0.0.1', 8080, '.oncekey-proxy'])
  assert.deepEqual([idempotencyStore, rateLimits], ['postgres', []])
})

test('options take precedence over variables', () => {
  const args = [...TARGET, '--port', '9000', '--host', '::1']
  const { settings } = readProxyConfig(args, { PORT: '1', HOST: '127.0.0.2', REDIS_URL: 'redis://r' })
  assert.deepEqual([settings.port, settings.host, settings.idempotencyStore], [9000, '::1', 'redis'])
})

test('without --verify no secret is asked for, in production or on any address', () => {
  assert.deepEqual(faultsOf(TARGET, { NODE_ENV: 'production' }), [])
  assert.deepEqual(faultsOf(TARGET, { HOST: '0.0.0.0' }), [])
})

test('with --verify the rules of oncekey serve hold', () => {
  assert.match(
    faultsOf([...TARGET, '--verify'], { NODE_ENV: 'production' }).join(),
    /must be set in production/,
  )
  assert.match(faultsOf([...TARGET, '--verify'], { HOST: '0.0.0.0' }).join(), /with the default secret/)
  const key = Buffer.alloc(32, 1).toString('base64')
  const table = { NODE_ENV: 'production', SECRETS_KEY: key, REDIS_URL: 'redis://r' }
  assert.match(faultsOf([...TARGET, '--verify'], table).join(), /SECRETS_KEY needs DATABASE_URL/)
})

for (const [target, basePath, host] of [
  ['https://api.example', '', 'api.example'],
  ['http://api.example:80/', '', 'api.example'],
  ['http://[::1]:8081/v1//', '/v1', '[::1]:8081'],
]) {
  test(`the target ${target} is taken`, () => {
    const { target: parsed } = readProxyConfig(['--target', target ?? ''], {})
    assert.deepEqual([parsed.basePath, parsed.host], [basePath, host])
  })
}

for (const [args, fault] of [
  [['--target', 'ftp://x'], /--target ftp:\/\/x: must be http/],
  [['--target', 'http://u:p@x'], /must be http/],
  [['--target', 'http://x/?q'], /must be http/],
  [['--target', '127.0.0.1:8081'], /must be http/],
  [['--target', 'http://127.0.0.1:8080'], /that is the sidecar itself/],
  [[...TARGET, '--port', '99999'], /PORT=99999: must be a whole number/],
  [[...TARGET, '--admin-port', '8080'], /same as the port/],
  [[...TARGET, '--require-key', 'post'], /must be a list like POST,PATCH/],
  [[...TARGET, '--client-header', 'X User'], /must be the name of a header/],
  [[...TARGET, '--caller', 'X-User'], /must be header:NAME, cookie:NAME or jwt:CLAIM/],
  [[...TARGET, '--caller', 'cookie:a=b'], /must be header:NAME/],
  [[...TARGET, '--caller', 'header:X-Real-IP'], /needs TRUST_PROXY/],
  [[...TARGET, '--caller', 'jwt:sub', '--client-header', 'x'], /leave one of them out/],
  [[...TARGET, '--client-header', 'X-User', '--verify'], /goes without --verify/],
  [[...TARGET, '--name', 'a b'], /1 to 64 letters/],
  [[...TARGET, '--on-unknown', 'retry'], /one of hold, release/],
  [[...TARGET, '--on-5xx', 'retry'], /one of auto, replay, hold, release/],
  [[...TARGET, '--lookup', 'localhost/{key}'], /must be an http URL/],
  [[...TARGET, '--lookup', 'http://{key}.x/'], /\{key\} must stand in the path or in the query/],
  [[...TARGET, '--lookup', 'http://x/#{key}'], /must have no fragment/],
  [[...TARGET, '--lookup', 'http://x/{key}', '--on-unknown', 'release'], /nothing stays unknown/],
  [[...TARGET, '--max-duration', '10'], /must be a duration/],
  [[...TARGET, '--timeout', '1ms'], /at least 100 ms/],
] as const) {
  test(`${args.join(' ')} is refused`, () => {
    const faults = faultsOf([...args])
    assert.equal(faults.length, 1, faults.join('\n'))
    assert.match(faults[0] ?? '', fault)
  })
}

test('all faults of options and settings are reported at once', () => {
  const faults = faultsOf(['--on-5xx', 'x', '--timeout', 'y'], { MAX_BODY_BYTES: 'z' })
  assert.equal(faults.length, 4, faults.join('\n'))
})
