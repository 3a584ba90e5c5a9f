import type { ConnectionOptions } from 'node:tls'
import { Redis } from 'ioredis'
import { parseSentinelUrl } from './redis-client.ts'

const CHANNEL = '+switch-master'
/** The wait before a lost connection to a sentinel is opened again. */
const RECONNECT_MS = 1_000

/**
 * Calls `onSwitch` with the `host:port` of the new primary, once for each sentinel. Needed because in a planned failover
 * the old primary still accepts writes, which are lost, for about ten seconds. (The `failoverDetector` of ioredis is not
 * used: it ends the connection for good if it is notified while it searches the primary.)
 */
export function watchSentinels(
  url: string,
  tls: { tls?: ConnectionOptions },
  connectTimeout: number,
  onSwitch: (address: string) => void,
): { close(): void } {
  const { sentinels, name } = parseSentinelUrl(url)
  const clients = sentinels.map(({ host, port }) => {
    const retryStrategy = () => RECONNECT_MS
    const options = {
      connectTimeout,
      retryStrategy,
      maxRetriesPerRequest: null,
      enableReadyCheck: false,
      disableClientInfo: true,
      ...tls,
    }
    const client = new Redis(port, host, options)
    client.on('error', () => {})
    client.on('message', (_, text: string) => {
      const [primary, , , newHost, newPort] = text.split(' ')
      if (primary === name) onSwitch(`${newHost}:${newPort}`)
    })
    client.subscribe(CHANNEL).catch(() => {})
    return client
  })
  return {
    close() {
      for (const client of clients) client.disconnect()
    },
  }
}
