import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { load } from '../bench/load.ts'
import { echo, ORDER, SECRET, shop } from '../support/library-app.ts'
import { signedOrder } from '../support/raw-order.ts'

setFlagsFromString('--expose-gc')
const collect: (options?: { type: 'minor' }) => void = runInNewContext('gc')

const REQUESTS = 300
/** Small objects, as those of a request are. */
const ballast = () => Array.from({ length: 1_000 }, (_, n) => ({ n }))
const BALLAST_BYTES = REQUESTS * 1_000 * (8 + 24)

test('what a request held goes with the young garbage', async (t) => {
  const { url } = await shop(
    t,
    async (ctx, next) => {
      Object.assign(ctx.state, { ballast: ballast() })
      await echo(ctx, next)
    },
    { limits: 'none' },
  )
  const order = { target: '/things', client: 'shop', secret: SECRET, body: ORDER }
  const round = async () => {
    let left = REQUESTS
    const next = () => (left-- > 0 ? signedOrder(order) : undefined)
    // Not fetch(): in one process with the service it keeps more than the service does.
    const { unexpected } = await load({
      port: Number(new URL(url).port),
      connections: 4,
      durationMs: 30_000,
      next,
      expected: 201,
    })
    assert.equal(unexpected.size, 0)
  }
  await round()
  collect()
  const beforeBytes = process.memoryUsage().heapUsed
  await round()
  for (let n = 0; n < 3; n++) collect({ type: 'minor' })
  const keptBytes = process.memoryUsage().heapUsed - beforeBytes
  t.diagnostic(`${keptBytes} of ${BALLAST_BYTES} bytes were kept`)
  assert.ok(keptBytes < BALLAST_BYTES * 0.7, 'what it held waits for a full collection')
})
