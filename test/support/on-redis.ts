import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'

export type Command = [string, ...string[]]

/** Six nodes of a cluster know each other within 3 s; a busy machine may need much more. */
const READY_MS = 60_000
const POLL_MS = 20

/** One command, over a connection of its own, to this very server: no redirection is followed, nothing is tried again. */
export async function onRedis(url: string, command: string, ...args: string[]): Promise<unknown> {
  const client = new Redis(url, {
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    commandTimeout: 5_000,
    disableClientInfo: true,
  })
  client.on('error', () => {})
  try {
    return await client.call(command, ...args)
  } finally {
    client.disconnect()
  }
}

/** Once the server responds to the command with a text that holds `what`. */
export async function untilReply(url: string, command: Command, what: string): Promise<void> {
  const deadline = Date.now() + READY_MS
  for (;;) {
    const text = String(await onRedis(url, ...command).catch(String))
    if (text.includes(what)) return
    if (Date.now() > deadline) throw new Error(`${command.join(' ')} does not return ${what}: ${text}`)
    await sleep(POLL_MS)
  }
}
