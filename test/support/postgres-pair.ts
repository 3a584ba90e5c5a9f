import { query, startPostgres, startStandby, type ThrowawayServer } from './servers.ts'
import { until } from './until.ts'

export interface PostgresPair {
  readonly primary: ThrowawayServer
  readonly standby: ThrowawayServer
  /** One database on both. */
  urlOf(database: string): string
  /** That one on one of them. */
  on(server: ThrowawayServer, database: string): string
  /** Resolves when the standby is the primary. */
  promote(): Promise<void>
  stop(): Promise<void>
}

/** A primary that acknowledges nothing before its standby has it. */
export async function startPostgresPair(): Promise<PostgresPair> {
  const primary = await startPostgres()
  const standby = await startStandby(primary)
  await query(primary.url, (sql) => sql`ALTER SYSTEM SET synchronous_standby_names = '*'`)
  await query(primary.url, (sql) => sql`SELECT pg_reload_conf()`)
  await until('the standby is synchronous', async () => {
    const rows = await query(primary.url, (sql) => sql`SELECT sync_state FROM pg_stat_replication`)
    return rows[0]?.sync_state === 'sync'
  })
  const on = (server: ThrowawayServer, database: string) => new URL(`/${database}`, server.url).href
  return {
    primary,
    standby,
    on,
    urlOf(database) {
      const hosts = [primary, standby].map(({ url }) => new URL(url).host).join()
      return `postgres://postgres@${hosts}/${database}?target_session_attrs=read-write`
    },
    async promote() {
      await query(standby.url, (sql) => sql`SELECT pg_promote(true, 30)`)
    },
    async stop() {
      await Promise.all([primary.stop(), standby.stop()])
    },
  }
}
