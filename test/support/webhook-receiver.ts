import type { ServerResponse } from 'node:http'
import type { TestContext } from 'node:test'
import { startBackend } from './proxy.ts'

/** A webhook as it arrived. */
export interface ReceivedWebhook {
  id: string
  headers: Record<string, string>
  body: string
}

/** A receiver on loopback, until the test, or the suite, has ended. `respond` is called once the webhook is in `received`. */
export async function startWebhookReceiver(
  t: Pick<TestContext, 'after'>,
  respond: (response: ServerResponse) => void = (response) => void response.end('ok'),
): Promise<{ received: ReceivedWebhook[]; url: string }> {
  const received: ReceivedWebhook[] = []
  const { url } = await startBackend(t, (response, { body }, request) => {
    const headers = Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
    )
    received.push({ id: headers['webhook-id'] ?? '', headers, body })
    respond(response)
  })
  return { received, url: `${url}/` }
}
