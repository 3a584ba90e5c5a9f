import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { type GroupOptions, groupCommit } from '../../internal/database/group-commit.ts'

class ItemFault extends Error {}
const isItemFault = (error: unknown) => error instanceof ItemFault

/** A database whose batches end on command. The result of each item is its double. */
function stalled(options: Partial<GroupOptions<number>> = {}) {
  const batches: number[][] = []
  const endings: { succeed: () => void; fail: (error: Error) => void }[] = []
  const call = groupCommit<number, number>(
    (items) =>
      new Promise((resolve, reject) => {
        batches.push([...items])
        endings.push({ succeed: () => resolve(items.map((item) => item * 2)), fail: reject })
      }),
    { isItemFault, ...options },
  )
  const batchAt = (index: number) => {
    const ending = endings[index]
    assert.ok(ending, `there is no batch ${index}`)
    return ending
  }
  return { call, batches, batchAt }
}

test('a single call runs at the end of the current turn', async () => {
  const { call, batches, batchAt } = stalled()
  const response = call(21)
  assert.deepEqual(batches, [])
  await turn()
  assert.deepEqual(batches, [[21]])
  batchAt(0).succeed()
  assert.equal(await response, 42)
})

test('onBatch gets the size of each batch', async () => {
  const sizes: number[] = []
  const { call, batchAt } = stalled({ maxItems: 2, onBatch: (items) => sizes.push(items) })
  const responses = [call(1), call(2), call(3)]
  for (const index of [0, 1]) {
    await turn()
    batchAt(index).succeed()
    await turn()
  }
  assert.deepEqual(await Promise.all(responses), [2, 4, 6])
  assert.deepEqual(sizes, [2, 1])
})

test('only items of one group share a batch, and the item that waited longest goes first', async () => {
  const { call, batches, batchAt } = stalled({ groupOf: (item) => item % 2 })
  const responses = [call(1), call(2), call(3), call(4)]
  await turn()
  assert.deepEqual(batches, [[1, 3]])
  batchAt(0).succeed()
  await turn()
  assert.deepEqual(batches, [
    [1, 3],
    [2, 4],
  ])
  batchAt(1).succeed()
  assert.deepEqual(await Promise.all(responses), [2, 4, 6, 8])
})

test('a batch ends with the item that reaches the maximum size', async () => {
  const { call, batches, batchAt } = stalled({ bytesOf: (item) => item * 1_000 })
  const responses = [call(500), call(600), call(1), call(2)]
  await turn()
  assert.deepEqual(batches, [[500, 600]])
  batchAt(0).succeed()
  await turn()
  assert.deepEqual(batches[1], [1, 2])
  batchAt(1).succeed()
  await Promise.all(responses)
})

test('calls of one turn share a batch, and calls during the batch share the next', async () => {
  const { call, batches, batchAt } = stalled()
  const first = [call(1), call(2)]
  await turn()
  const second = [call(3)]
  await turn()
  second.push(call(4), call(5))
  await turn()
  assert.deepEqual(batches, [[1, 2]])
  batchAt(0).succeed()
  assert.deepEqual(await Promise.all(first), [2, 4])
  await turn()
  assert.deepEqual(batches, [
    [1, 2],
    [3, 4, 5],
  ])
  batchAt(1).succeed()
  assert.deepEqual(await Promise.all(second), [6, 8, 10])
})

test('after all results the next call starts a new batch', async () => {
  const { call, batches, batchAt } = stalled()
  for (const [index, item] of [7, 8].entries()) {
    const response = call(item)
    await turn()
    batchAt(index).succeed()
    assert.equal(await response, item * 2)
    await turn()
  }
  assert.deepEqual(batches, [[7], [8]])
})

test('a batch has at most maxItems, in the order of the calls', async () => {
  const { call, batches, batchAt } = stalled({ maxItems: 3 })
  const responses = Promise.all([1, 2, 3, 4, 5, 6, 7].map(call))
  for (const index of [0, 1, 2]) {
    await turn()
    await turn()
    assert.equal(batches.length, index + 1, 'one batch at a time')
    batchAt(index).succeed()
  }
  assert.deepEqual(await responses, [2, 4, 6, 8, 10, 12, 14])
  assert.deepEqual(batches, [[1, 2, 3], [4, 5, 6], [7]])
})

test('with inFlight 2 two batches run concurrently, and a third waits for one of them', async () => {
  const { call, batches, batchAt } = stalled({ inFlight: 2 })
  const first = call(1)
  await turn()
  const second = call(2)
  await turn()
  const third = call(3)
  await turn()
  assert.deepEqual(batches, [[1], [2]])
  batchAt(1).succeed()
  assert.equal(await second, 4)
  await turn()
  assert.deepEqual(batches, [[1], [2], [3]])
  batchAt(0).succeed()
  batchAt(2).succeed()
  assert.deepEqual(await Promise.all([first, third]), [2, 6])
})

test('an item with bad data fails alone: the items of its batch are run separately', async () => {
  const runs: number[][] = []
  const call = groupCommit<number, number>(
    async (items) => {
      runs.push([...items])
      if (items.includes(2) || items.includes(4)) throw new ItemFault(`bad: ${items}`)
      return items
    },
    { isItemFault },
  )
  const results = await Promise.allSettled([1, 2, 3, 4].map(call))
  assert.deepEqual(
    results.map((one) => (one.status === 'fulfilled' ? one.value : String(one.reason.message))),
    [1, 'bad: 2', 3, 'bad: 4'],
  )
  assert.deepEqual(runs, [[1, 2, 3, 4], [1], [2], [3], [4]])
})

test('a single item with bad data is not run again', async () => {
  let runs = 0
  const call = groupCommit<number, number>(
    async () => {
      runs++
      throw new ItemFault('bad')
    },
    { isItemFault },
  )
  await assert.rejects(call(1), ItemFault)
  assert.equal(runs, 1)
})

test('any other error rejects every item of its batch, and no other', async () => {
  const { call, batches, batchAt } = stalled()
  const first = Promise.allSettled([call(1), call(2)])
  await turn()
  const second = call(3)
  const outage = new Error('the connection is lost')
  batchAt(0).fail(outage)
  assert.deepEqual(await first, [
    { status: 'rejected', reason: outage },
    { status: 'rejected', reason: outage },
  ])
  await turn()
  assert.deepEqual(batches, [[1, 2], [3]], 'nothing that may have happened is run again')
  batchAt(1).succeed()
  assert.equal(await second, 6)
})

test('an outage while items are run separately fails only the item in flight', async () => {
  const call = groupCommit<number, number>(
    async (items) => {
      if (items.length > 1) throw new ItemFault('one is bad')
      if (items[0] === 2) throw new Error('the connection is lost')
      return items
    },
    { isItemFault },
  )
  const results = await Promise.allSettled([1, 2, 3].map(call))
  assert.deepEqual(
    results.map((one) => one.status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
})

test('a run that throws before it returns a promise rejects its items', async () => {
  const call = groupCommit<number, number>(
    () => {
      throw new Error('at once')
    },
    { isItemFault },
  )
  await assert.rejects(call(1), /at once/)
  await assert.rejects(call(2), /at once/)
})

for (const responses of [0, 1, 3]) {
  test(`${responses} responses for 2 items are an error for both`, async () => {
    const call = groupCommit<number, number>(async () => Array.from({ length: responses }, () => 0), {
      isItemFault,
    })
    const expected = new RegExp(`${responses} responses for 2 items`)
    await Promise.all([assert.rejects(call(1), expected), assert.rejects(call(2), expected)])
  })
}

/** Thousands of calls over many turns, some with bad data; counts the calls of the database. */
async function flood(total: number, inFlight: number, maxItems: number, badEvery: number) {
  let running = 0
  const seen = { most: 0, largest: 0, batches: 0, accepted: [] as number[] }
  const call = groupCommit<number, string>(
    async (items) => {
      running++
      seen.batches++
      seen.most = Math.max(seen.most, running)
      seen.largest = Math.max(seen.largest, items.length)
      await turn()
      running--
      if (items.some((item) => item % badEvery === 0)) throw new ItemFault('bad')
      seen.accepted.push(...items)
      return items.map((item) => `response ${item}`)
    },
    { isItemFault, inFlight, maxItems },
  )
  const calls: Promise<PromiseSettledResult<string>>[] = []
  for (let item = 1; item <= total; item++) {
    calls.push(
      call(item).then(
        (value) => ({ status: 'fulfilled' as const, value }),
        (reason: unknown) => ({ status: 'rejected' as const, reason }),
      ),
    )
    if (item % 37 === 0) await turn()
  }
  return { seen, results: await Promise.all(calls) }
}

test('each item gets its own result, with at most inFlight batches in flight', async () => {
  const sizes = fc.record({
    total: fc.integer({ min: 1, max: 400 }),
    inFlight: fc.integer({ min: 1, max: 4 }),
    maxItems: fc.integer({ min: 1, max: 64 }),
    badEvery: fc.integer({ min: 2, max: 500 }),
  })
  const holds = async (of: { total: number; inFlight: number; maxItems: number; badEvery: number }) => {
    const { seen, results } = await flood(of.total, of.inFlight, of.maxItems, of.badEvery)
    assert.ok(seen.most <= of.inFlight, `${seen.most} batches at once`)
    assert.ok(seen.largest <= of.maxItems, `${seen.largest} items in a batch`)
    results.forEach((result, index) => {
      const item = index + 1
      if (item % of.badEvery === 0) assert.equal(result.status, 'rejected')
      else assert.deepEqual(result, { status: 'fulfilled', value: `response ${item}` })
    })
    const good = results.map((_, index) => index + 1).filter((item) => item % of.badEvery !== 0)
    assert.deepEqual(
      seen.accepted.sort((a, b) => a - b),
      good,
      'each good item is taken once',
    )
  }
  await fc.assert(fc.asyncProperty(sizes, holds), { numRuns: 50 })
  await holds({ total: 10_000, inFlight: 2, maxItems: 128, badEvery: 20_000 })
})

test('items that wait for a stalled batch, and new items, are refused without being sent', async () => {
  const { call, batches, batchAt } = stalled({ stallMs: 50 })
  const first = call(1)
  await turn()
  const refused = { code: 'store_unavailable', effect: 'none' }
  await assert.rejects(call(2), refused)
  await assert.rejects(call(3), refused)
  batchAt(0).succeed()
  assert.equal(await first, 2)
  await turn()
  const next = call(4)
  await turn()
  batchAt(1).succeed()
  assert.equal(await next, 8)
  assert.deepEqual(batches, [[1], [4]])
})

test('while one of two slots has stalled, calls use the other', async () => {
  const { call, batchAt } = stalled({ stallMs: 20, inFlight: 2 })
  const first = call(1)
  await turn()
  await sleep(60)
  const second = call(2)
  await turn()
  batchAt(1).succeed()
  assert.equal(await second, 4)
  batchAt(0).succeed()
  assert.equal(await first, 2)
})
