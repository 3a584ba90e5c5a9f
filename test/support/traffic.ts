import { newKey, orderBody, postOrder, send } from './order-client.ts'

/** Requests of every kind that leaves its mark in the metrics: placed, replayed, mistaken, refused, read. */
export async function makeTraffic(url: string): Promise<void> {
  await addEndpoint(url)
  const key = newKey()
  await Promise.all(Array.from({ length: 8 }, () => postOrder(url, newKey(), orderBody())))
  await postOrder(url, key, orderBody())
  await postOrder(url, key, orderBody())
  await postOrder(url, key, orderBody({ item: 'another book' }))
  await postOrder(url, newKey(), orderBody({ amount: -1 }))
  for (const method of ['card_4242', 'card_declined']) {
    const body = JSON.stringify({ amount: 12.5, currency: 'EUR', payment_method: method })
    const headers = {
      Authorization: 'Bearer test-api-key',
      'Content-Type': 'application/json',
      'Idempotency-Key': `payment-${newKey()}`,
    }
    await send(`${url}/api/v1/payments`, { method: 'POST', headers, body })
  }
  for (const path of ['/orders', '/readyz', '/nowhere']) await send(url + path)
}

/** An endpoint at which nothing listens, once: the events of the payments are tried there within about a second. */
async function addEndpoint(url: string): Promise<void> {
  const headers = { Authorization: 'Bearer test-api-key', 'Content-Type': 'application/json' }
  const body = JSON.stringify({ url: 'http://127.0.0.1:1/' })
  await send(`${url}/api/v1/webhook-endpoints`, { method: 'POST', headers, body })
}
