import { openDatabase } from '../../internal/database/database.ts'
import { createDatabase } from '../support/servers.ts'
import { idempotencyStoreContract } from './idempotency-store.ts'
import { onPostgres } from './on-postgres.ts'

idempotencyStoreContract('keys in PostgreSQL', async () => {
  const { url, drop } = await createDatabase()
  const database = openDatabase(url)
  return await onPostgres(database, async () => {
    await database.close()
    await drop()
  })
})
