import { Redis } from 'ioredis'

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
