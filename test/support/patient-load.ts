import assert from 'node:assert/strict'
import { checkOrders, readOrdersAt, rowsOf } from './check-orders.ts'
import { type History, type Load, startLoad } from './order-load.ts'
import type { Service } from './service.ts'

/** An election of Patroni after SIGKILL takes the ttl of 20 s, the timeouts of etcd and the promotion. */
const PATIENCE_MS = 120_000
/** The deadline of a statement, of the one that finds out what became of it, and some time on a busy machine. */
const RESPONSE_MS = 6_000

/** On services whose database may be away for a minute. */
export function startPatientLoad(services: readonly Service[]): Load {
  return startLoad({
    urls: services.map(({ url }) => url),
    clients: 8,
    copies: 2,
    maxKeys: 20_000,
    patienceMs: PATIENCE_MS,
  })
}

/** Ends it: every acknowledged order is there, once, every retry got the same response, and none took long. */
export async function endPatientLoad(
  load: Load,
  databaseUrl: () => string | Promise<string>,
): Promise<History> {
  const history = await load.finish()
  checkOrders(rowsOf(await readOrdersAt(await databaseUrl()), history.sent), history.sent)
  assert.ok(history.slowestMs < RESPONSE_MS, `a response took ${history.slowestMs} ms`)
  return history
}
