import type { Sabotage } from './sabotage.ts'

const CLAIM = 'internal/idempotency/claim.lua'
const DISPATCH = 'internal/idempotency/dispatch.lua'
const RELEASE = 'internal/idempotency/release.lua'
const FORWARD = 'internal/proxy/forward.ts'
const HELD = "if r[1] ~= ARGV[1] or r[2] ~= 'in_progress' then return 'lost' end"
const proxy = { mode: 'proxy', store: 'redis' } as const

/** Bugs that show in front of a backend, where nothing but the record of the key stands in their way. */
export const PROXY_SABOTAGES: Record<string, Sabotage> = {
  'mismatch-after-in-progress': {
    ...proxy,
    what: 'another request under a key in progress is told to wait',
    patches: [
      {
        file: CLAIM,
        find: "if r[1] ~= fingerprint then return {'mismatch', r[1]} end",
        replace: "if r[1] ~= fingerprint and r[2] ~= 'in_progress' then return {'mismatch', r[1]} end",
      },
    ],
    faults: ['client-leaves'],
    invariant: 5,
  },
  'lock-without-heartbeat': {
    ...proxy,
    what: 'the lease of a request in flight is not renewed',
    patches: [
      {
        file: 'internal/idempotency/heartbeat.ts',
        find: 'setTimeout(() => void this.#beat(), Math.min(leaseMs / 3, leftMs))',
        replace: 'setTimeout(() => {}, Math.min(leaseMs / 3, leftMs))',
      },
    ],
    faults: ['never-ends'],
    invariant: 5,
  },
  'lease-on-the-clock-of-the-node': {
    ...proxy,
    what: 'whether a lease has run out is decided by the clock of a node',
    patches: [
      {
        file: CLAIM,
        find: 'local now = now_ms()',
        replace: 'local now = tonumber(ARGV[5])',
      },
      {
        file: 'internal/idempotency/redis-store.ts',
        find: '[fingerprint, token, leaseMs, ttlMs]',
        replace: '[fingerprint, token, leaseMs, ttlMs, Date.now()]',
      },
    ],
    faults: ['clock-skew', 'never-ends'],
    invariant: 5,
  },
  'lock-without-a-lease': {
    ...proxy,
    what: 'a claim does not look whether the holder is at work',
    patches: [{ file: CLAIM, find: "if left > 0 then return {'in_progress', left} end", replace: '' }],
    faults: ['copies'],
    invariant: 5,
  },
  'sidecar-sends-again': {
    ...proxy,
    what: 'the sidecar sends a request again after a reset',
    patches: [
      {
        file: FORWARD,
        find: 'const exchanged = await exchange(backend, call, limits)',
        replace:
          "let exchanged = await exchange(backend, call, limits)\n    if (exchanged.kind === 'failed') exchanged = await exchange(backend, call, limits)",
      },
    ],
    faults: ['backend-reset', 'backend-truncate'],
    invariant: 8,
  },
  'dispatched-after-the-send': {
    ...proxy,
    what: 'that a request is on its way is noted when it is over',
    patches: [
      { file: FORWARD, find: '    await attempt.dispatched()\n', replace: '' },
      {
        file: FORWARD,
        find: '    switch (exchanged.kind) {',
        replace: '    await attempt.dispatched()\n    switch (exchanged.kind) {',
      },
    ],
    faults: ['kill', 'stall'],
    invariant: 8,
  },
  'release-without-token': {
    ...proxy,
    what: 'who has lost the key frees it under the hands of the next',
    patches: [{ file: RELEASE, find: HELD, replace: "if not r[1] then return 'lost' end" }],
    faults: ['redis-reply-lost', 'never-ends'],
    invariant: 8,
  },
  'attempt-not-fenced': {
    ...proxy,
    what: 'an attempt that has lost its key is sent all the same',
    patches: [
      {
        file: DISPATCH,
        find: "if redis.call('TYPE', KEYS[1]).ok == 'string' then return 'lost' end",
        replace: "if redis.call('TYPE', KEYS[1]).ok == 'string' then return 'dispatched' end",
      },
      { file: DISPATCH, find: HELD, replace: "if not r[1] then return 'lost' end" },
    ],
    faults: ['stall'],
    invariant: 8,
  },
  'dispatched-record-expires': {
    ...proxy,
    what: 'that a request may have been sent is forgotten with its time to live',
    patches: [
      { file: DISPATCH, find: "  redis.call('PERSIST', KEYS[1])\n", replace: '' },
      { file: RELEASE, find: "    redis.call('PERSIST', KEYS[1])\n", replace: '' },
    ],
    faults: ['backend-reset', 'backend-truncate'],
    ttlMs: 5_000,
    invariant: 8,
  },
  'completed-record-expires-at-once': {
    ...proxy,
    what: 'a response is kept for a moment only',
    patches: [
      {
        file: 'internal/idempotency/complete.lua',
        find: "redis.call('SET', KEYS[1], record, 'PX', ARGV[2])",
        replace: "redis.call('SET', KEYS[1], record, 'PX', 1)",
      },
    ],
    faults: ['client-leaves'],
    invariant: 8,
  },
}
