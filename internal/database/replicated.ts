import type { Database } from './database.ts'
import { shareNext } from './share-next.ts'

/**
 * Resolves when the synchronous standby, if there is to be one, has all that could be read before the call. A row that
 * can be read may be missing there: the wait for it was cut short, or the server was restarted meanwhile. Whatever is
 * about to be acknowledged because it was read, and not because it was just committed, waits for this.
 *
 * It is a commit that writes nothing but a message in the log, which comes after all others; calls share it.
 */
export function replicated(database: Database): () => Promise<void> {
  return shareNext(async () => {
    await database.run(
      (sql) => sql`
        SELECT CASE WHEN current_setting('synchronous_standby_names') <> ''
          THEN pg_logical_emit_message(true, 'oncekey', '') IS NOT NULL END AS written`,
    )
  }, 0)
}
