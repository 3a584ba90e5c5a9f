import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseInfo } from '../../internal/database/redis-engine.ts'
import { redisEngine } from '../../src/cli/check-redis.ts'
import { clock } from '../../src/cli/finding.ts'

const NOW = 1_767_225_600_000

for (const [theirs, sent, received, ok, skew] of [
  [NOW, NOW, NOW, true, 0],
  [NOW + 5_000, NOW, NOW, true, 5_000],
  [NOW + 5_001, NOW, NOW, false, 5_001],
  [NOW - 5_000, NOW, NOW, true, -5_000],
  [NOW - 5_001, NOW, NOW, false, -5_001],
  [NOW - 3_600_000, NOW, NOW, false, -3_600_000],
  // A response that took 20 s says less, but not nothing.
  [NOW + 12_000, NOW, NOW + 20_000, true, 0],
  [NOW + 26_000, NOW, NOW + 20_000, false, 6_000],
  [NOW - 6_000, NOW, NOW + 20_000, false, -6_000],
] as const) {
  test(`a clock that reads ${theirs - NOW} ms, asked at 0 and responded by ${received - NOW}, is ${ok ? 'fine' : 'at fault'}`, () => {
    const finding = clock('database clock', theirs, sent, received)
    assert.deepEqual([finding.ok, finding.check], [ok, 'database clock'])
    assert.ok(finding.detail.startsWith(`${skew} ms from ours`), finding.detail)
    assert.equal(finding.detail.includes('at most 5000 ms'), !ok)
  })
}

for (const [version, ok] of [
  ['6.2.0', true],
  ['6.0.16', false],
  ['5.0.7', false],
  ['7.0.15', true],
  ['7.2.4', true],
  ['10.0.1', true],
  ['unknown', false],
] as const) {
  test(`Redis ${version} is ${ok ? 'fine' : 'too old'}`, () => {
    const finding = redisEngine({
      name: `Redis ${version}`,
      redisVersion: version,
      isActiveReplica: false,
    })
    assert.equal(finding.ok, ok)
    assert.equal(finding.detail.includes('6.2 or newer is required'), !ok)
  })
}

for (const [info, ok, detail] of [
  [
    'redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\nrole:master',
    true,
    /^Valkey 8\.0\.1$/,
  ],
  ['redis_version:7.2.4\r\nredict_version:7.3.0\r\nrole:master', true, /^Redict 7\.3\.0$/],
  ['redis_version:6.3.4\r\nrole:master\r\n# KeyDB\r\nmvcc_depth:0', true, /^KeyDB 6\.3\.4$/],
  [
    'redis_version:6.3.4\r\nrole:active-replica\r\n# KeyDB\r\nmvcc_depth:0',
    false,
    /^KeyDB 6\.3\.4, with active-replica two servers accept writes, .*: set active-replica no$/,
  ],
  ['redis_version:7.9.224\r\nrole:master', true, /^Redis 7\.9\.224$/],
] as const) {
  test(`doctor says ${String(detail).slice(2, -2)}`, () => {
    const finding = redisEngine(parseInfo(info))
    assert.equal(finding.ok, ok)
    assert.match(finding.detail, detail)
  })
}
