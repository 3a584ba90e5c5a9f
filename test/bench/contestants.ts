import { fileURLToPath } from 'node:url'
import { type Service, startService } from '../support/service.ts'
import { SECRET } from './requests.ts'
import type { Stage } from './stage.ts'

/** How much a client may: more than it can ask for, or one request an hour. */
export type Quota = 'ample' | 'spent'

export interface Contestant {
  name: string
  /** What is in it, for the report. */
  what: string
  /** The floor answers everything with the same 201. */
  kind: 'floor' | 'ours' | 'peer'
  /** `node` options come before the program. */
  start: (stage: Stage, quota: Quota, node?: readonly string[]) => Promise<Service>
}

const FLOOR = fileURLToPath(new URL('./floor.js', import.meta.url))
const ONCEKEY = fileURLToPath(new URL('../../src/oncekey.js', import.meta.url))
/** As long as the answer to an order of requests.ts. */
const ANSWER_BYTES = 215

const QUOTAS: Record<Quota, string> = { ample: 'client=1000000/1s', spent: 'client=1/24h' }

export const CONTESTANTS: readonly Contestant[] = [
  floor('koa-sync', 'bare Koa: reads the body, answers a constant at once'),
  floor('koa-batched', 'bare Koa: the same after setImmediate()'),
  ours('redis+postgres', 'oncekey with Redis and PostgreSQL', async (stage) => ({
    REDIS_URL: stage.redisDatabase(),
    DATABASE_URL: await stage.database(),
  })),
  ours('postgres', 'oncekey with PostgreSQL', async (stage) => ({ DATABASE_URL: await stage.database() })),
  ours('embedded', 'oncekey with its embedded database', async () => ({})),
]

function floor(name: string, what: string): Contestant {
  const how = name === 'koa-batched' ? 'batched' : 'sync'
  return {
    ...{ name, what, kind: 'floor' },
    start: (_stage, _quota, node = []) =>
      run({ NODE_ENV: 'production' }, [...node, FLOOR, how, `${ANSWER_BYTES}`]),
  }
}

function ours(
  name: string,
  what: string,
  stores: (stage: Stage) => Promise<Record<string, string>>,
): Contestant {
  return {
    ...{ name, what, kind: 'ours' },
    async start(stage, quota, node = []) {
      const settings = {
        ...{ NODE_ENV: 'production', HOST: '127.0.0.1', HMAC_SECRET: SECRET, LOG_FILE: '/dev/null' },
        ...{ RATE_LIMITS: QUOTAS[quota] },
        ...(await stores(stage)),
      }
      return await run(settings, [...node, ONCEKEY, 'serve'])
    },
  }
}

function run(settings: Record<string, string>, [program = '', ...args]: string[]): Promise<Service> {
  return startService(settings, args, program)
}
