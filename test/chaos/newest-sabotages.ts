import type { Sabotage } from './sabotage.ts'

const REDIS_SCRIPT = 'internal/database/redis-script.ts'
const CACHE = 'internal/idempotency/replay-cache.ts'
const orders = { mode: 'orders', store: 'redis' } as const
/** A node keeps what it has replayed for a hundredth of it. */
const CACHED_TTL_MS = 60_000

/** Bugs in what takes one look where there were several: batches, shared decisions, steps without a frame, the cache of replays. */
export const NEWEST_SABOTAGES: Record<string, Sabotage> = {
  'replay-cache-without-the-fingerprint': {
    ...orders,
    what: 'a response in memory is replayed to any request under its key',
    patches: [
      {
        file: CACHE,
        find: 'if (one.fingerprint === fingerprint) return one.replay',
        replace: "if (one.fingerprint !== '') return one.replay",
      },
    ],
    faults: ['client-leaves'],
    ttlMs: CACHED_TTL_MS,
    invariant: 2,
  },
  'cached-response-of-another-client': {
    ...orders,
    what: 'responses in memory do not belong to a client',
    patches: [
      {
        file: CACHE,
        // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of a program
        find: 'return `${client}\\n${scope}\\n${key}`',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of a program
        replace: 'return `${scope}\\n${key}`',
      },
    ],
    faults: ['client-leaves'],
    ttlMs: CACHED_TTL_MS,
    invariant: 5,
  },
  'signature-over-an-empty-key': {
    ...orders,
    what: 'a v1 signature with an empty key line is accepted for any key',
    patches: [
      {
        file: 'internal/signature/verify.ts',
        find: 'const secret = matching(macsOf(signature), covered.bytes, client?.secrets ?? [])',
        replace:
          "const secrets = client?.secrets ?? []\n  const bare = signature.scheme === 'v1' ? coveredBytes(signature, { ...request, rawHeaders: [] }, id ?? '').bytes : covered.bytes\n  const secret = matching(macsOf(signature), covered.bytes, secrets) ?? matching(macsOf(signature), bare, secrets)",
      },
    ],
    faults: ['client-leaves'],
    invariant: 9,
  },
  'bodies-of-a-batch-exchanged': {
    ...orders,
    what: 'the bodies of responses that share a command of Redis are exchanged',
    patches: [
      {
        file: REDIS_SCRIPT,
        find: 'return binaries[Number(part.bytes) - 1]',
        replace: 'return binaries[binaries.length - Number(part.bytes)]',
      },
    ],
    faults: ['redis-pause', 'client-leaves'],
    invariant: 4,
  },
  'first-key-for-a-batch': {
    ...orders,
    what: 'all calls of a command of Redis are about the key of the first',
    patches: [
      {
        file: REDIS_SCRIPT,
        find: 'key, argument = key + keys, argument + 2 + arguments',
        replace: 'key, argument = key, argument + 2 + arguments',
      },
    ],
    faults: ['redis-pause', 'client-leaves'],
    invariant: 5,
  },
  'binary-arguments-as-text': {
    ...orders,
    what: 'a body that is not ASCII goes to Redis as text of another encoding',
    patches: [
      {
        file: REDIS_SCRIPT,
        find: "else packed.push(args.push(isAscii(arg) ? arg.toString('latin1') : arg))",
        replace:
          "else packed.push(args.push(isAscii(arg) ? arg.toString('latin1') : arg.toString('latin1')))",
      },
    ],
    faults: ['client-leaves'],
    invariant: 4,
  },
  'decisions-share-a-stale-read': {
    ...orders,
    what: 'decisions that share a command do not see what the ones before them took',
    patches: [
      {
        file: 'internal/ratelimit/limit.lua',
        find: '      limit.algorithm.take(limit)\n      limit.remaining, limit.wait = limit.algorithm.standing(limit)\n',
        replace: '      limit.algorithm.take(limit)\n',
      },
    ],
    faults: ['client-leaves'],
    windowMs: 10_000,
    invariant: 7,
  },
  'refusal-of-a-step-ignored': {
    ...orders,
    what: 'a request goes on after a step that refused it later',
    patches: [
      {
        file: 'internal/core/compose.ts',
        find: 'work.then(this.#letIn, this.#failed)',
        replace: 'work.then(this.#letIn, this.#letIn)',
      },
    ],
    faults: ['client-leaves'],
    invariant: 7,
  },
  'replay-in-another-encoding': {
    ...orders,
    what: 'a replayed body is sent as text, whatever is in it',
    patches: [
      {
        file: 'internal/idempotency/idempotency.ts',
        find: "replayed && isPlain(response) ? response.body.toString('latin1') : response.body",
        replace: "replayed ? response.body.toString('latin1') : response.body",
      },
    ],
    faults: ['client-leaves'],
    invariant: 4,
  },
}
