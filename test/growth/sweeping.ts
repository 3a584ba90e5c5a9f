import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from '../../internal/database/database.ts'
import { Sweeper, sweepExpired } from '../../internal/idempotency/sweeper.ts'
import { median } from '../bench/statistics.ts'
import { round } from './compare.ts'
import type { GrowthPath, Side } from './growth-paths.ts'

const BATCHES = 50
const ROUNDS = 7

/** Rows a second of batches one after the other, while nothing else is done. */
export async function sweepingSpeed(database: Database): Promise<number> {
  const startedMs = performance.now()
  let removed = 0
  for (let batch = 0; batch < BATCHES; batch++) removed += await sweepExpired(database)
  return (removed / (performance.now() - startedMs)) * 1_000
}

/** The p99 of requests in rounds without and with a sweeper beside them, in turn, and how much it removes meanwhile. */
export async function sweepingBeside(database: Database, path: GrowthPath, side: Side, roundMs: number) {
  const alone: number[] = []
  const beside: number[] = []
  let removed = 0
  for (let n = 0; n < ROUNDS; n++) {
    alone.push((await round(path, side, roundMs)).p99Ms)
    const before = await expired(database)
    const startedMs = performance.now()
    const sweeper = new Sweeper(database, { everyMs: 0 })
    beside.push((await round(path, side, roundMs)).p99Ms)
    await sweeper.stop()
    removed += ((before - (await expired(database))) / (performance.now() - startedMs)) * 1_000
    await sleep(50)
  }
  return { aloneP99Ms: median(alone), besideP99Ms: median(beside), rowsPerS: removed / ROUNDS }
}

async function expired(database: Database): Promise<number> {
  const [row] = await database.run(
    (sql) => sql`SELECT count(*) AS n FROM idempotency_keys WHERE expires_at <= now()`,
    30_000,
  )
  return Number(row?.n)
}
