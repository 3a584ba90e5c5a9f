import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { orderBody, postOrder, type Reply } from './order-client.ts'

/** Sends one key again while it is refused, as a partner does, until its order is placed. `deadlineMs`: of Date.now(). */
export async function untilPlaced(url: string, key: string, deadlineMs: number): Promise<Reply> {
  for (;;) {
    const reply = await postOrder(url, key, orderBody())
    if (reply.status === 201) return reply
    assert.ok(['503 store_unavailable', '409 request_in_progress'].includes(wordOf(reply)), wordOf(reply))
    assert.ok(Date.now() < deadlineMs, `too long after the outage the response is ${wordOf(reply)}`)
    await sleep(100)
  }
}

/** Status and code, such as `503 store_unavailable`. */
export function wordOf({ status, code }: Reply): string {
  return `${status} ${code}`.trim()
}
