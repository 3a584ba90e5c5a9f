import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { errorMessage } from '../../internal/core/error-message.ts'
import { endpointUrlFault } from '../../internal/events/endpoint-url.ts'
import { postWebhook } from '../../internal/events/post-webhook.ts'
import { isWebhookSecret, newWebhookSecret, webhookHeaders } from '../../internal/events/webhook-secret.ts'
import { type Client, createClient, type Event, ProblemError } from '../client.ts'
import { DEMO_SECRET } from '../config/demo.ts'
import { readOption } from '../config/read-option.ts'
import { secretFromEnv } from '../config/secret-from-env.ts'
import { serviceUrl } from '../config/setting-values.ts'
import { checkClient } from './option-values.ts'
import { untilStopped } from './until-stopped.ts'

export const HELP = `Usage: oncekey listen [--forward URL] [OPTIONS]

Shows your own events in the terminal as they happen, one line each, until Ctrl-C. With --forward it also sends each to a program
on this machine, signed as a webhook of the service is; one that fails is reported and not sent again.

  --forward URL          where to send them, such as http://127.0.0.1:3000/hook
  --webhook-secret TEXT  whsec_... that signs them (a new one, which is printed)
  --url URL              the service (http://127.0.0.1:8080)
  --client ID            the client id (default)
  --secret SECRET        its secret; better in the environment, as ONCEKEY_SECRET (that of demo mode)
  --api-key KEY          in place of client and secret; better as ONCEKEY_API_KEY
  --type TYPE            only events of this type
  --cursor CURSOR        events behind this one, as a page of GET /api/v1/events has it (from now on)
  --every TIME_MS        between two looks, 200 to 60000 (1000)
`

const FORWARD_TIMEOUT_MS = 15_000
/** The loop below retries by itself and reports each failure at once. */
const RETRY = { maxAttempts: 1 }

export async function listen(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      forward: { type: 'string' },
      'webhook-secret': { type: 'string' },
      url: { type: 'string', default: 'http://127.0.0.1:8080' },
      client: { type: 'string' },
      secret: { type: 'string' },
      'api-key': { type: 'string' },
      type: { type: 'string' },
      cursor: { type: 'string', default: 'now' },
      every: { type: 'string', default: '1000' },
    },
  })
  const everyMs = /^\d{3,5}$/.test(values.every) ? Number(values.every) : 0
  if (everyMs < 200 || everyMs > 60_000) throw new Error(`--every ${values.every}: must be 200 to 60000`)
  const { forward } = values
  const fault = forward === undefined ? undefined : endpointUrlFault(forward, { allowLocal: true })
  if (fault !== undefined) throw new Error(`--forward ${forward}: ${fault}`)
  const secret = values['webhook-secret'] ?? newWebhookSecret()
  if (!isWebhookSecret(secret))
    throw new Error('--webhook-secret: must be whsec_ and at least 24 bytes in base64')
  const client = clientOf(values)
  if (forward !== undefined) process.stderr.write(`forwarding to ${forward}, signed with ${secret}\n`)

  let isStopped = false
  const stopped = untilStopped().then(() => {
    isStopped = true
  })
  let { cursor } = values
  let said = ''
  const say = (text: string) => {
    if (text !== said) process.stderr.write(`${text}\n`)
    said = text
  }
  while (!isStopped) {
    let pauseMs = everyMs
    try {
      const page = await client.events.page({ cursor, type: values.type })
      say(`waiting for events of ${values.url}, until Ctrl-C`)
      for (const event of page.events) {
        const sent = forward === undefined ? '' : `  ${await send(event, forward, secret)}`
        process.stdout.write(`${event.timestamp}  ${event.type}  ${event.id}${sent}\n`)
      }
      cursor = page.nextCursor ?? cursor
      if (page.hasMore) pauseMs = 0
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error
      // A wrong cursor or secret stays wrong.
      if (error.status >= 400 && error.status < 429) throw new Error(error.message)
      say(`oncekey listen: ${error.detail} [${error.code}]`)
      pauseMs = Math.max(everyMs, error.retryAfterMs ?? 0)
    }
    if (pauseMs > 0) await Promise.race([stopped, sleep(pauseMs)])
  }
  return 0
}

/** The status of the response, or why there is none. */
async function send(event: Event, url: string, secret: string): Promise<string> {
  const body = JSON.stringify(event)
  const headers = webhookHeaders([secret], event.id, Math.floor(Date.now() / 1_000), body)
  const webhook = { url, headers, body, timeoutMs: FORWARD_TIMEOUT_MS, allowLocal: true }
  try {
    return String((await postWebhook(webhook)).status)
  } catch (error) {
    return `failed: ${errorMessage(error)}`
  }
}

type Values = Partial<Record<'client' | 'secret' | 'api-key', string | undefined>> & { url: string }

function clientOf({ url, client, secret, 'api-key': given }: Values): Client {
  const baseUrl = readOption('url', url, serviceUrl)
  if (client !== undefined) checkClient('--client ', client)
  if (secret === '') throw new Error('--secret must be a text that is not empty')
  const apiKey =
    given ?? (secret === undefined && client === undefined ? secretFromEnv('ONCEKEY_API_KEY') : undefined)
  if (apiKey !== undefined)
    return createKeyClient(baseUrl, apiKey, given === undefined ? 'ONCEKEY_API_KEY' : '--api-key')
  return createClient({
    baseUrl,
    retry: RETRY,
    client: client ?? 'default',
    secret: secret ?? secretFromEnv('ONCEKEY_SECRET') ?? DEMO_SECRET,
  })
}

/** `name`: the option or variable of the key. Throws an Error without the key. */
function createKeyClient(baseUrl: string, apiKey: string, name: string): Client {
  try {
    return createClient({ baseUrl, apiKey, retry: RETRY })
  } catch (error) {
    throw new Error(`${name}: ${errorMessage(error)}`)
  }
}
