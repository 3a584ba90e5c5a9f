// node check-servers.js: one line for each server of TEST_REDIS_URL and TEST_DATABASE_URL that refuses; exit code 1 then.
import { Redis } from 'ioredis'
import postgres from 'postgres'

const PATIENCE_S = 10
const { TEST_REDIS_URL = '', TEST_DATABASE_URL = '' } = process.env

const refusals = await Promise.all([
  refusal('TEST_REDIS_URL', TEST_REDIS_URL, async () => {
    const redis = new Redis(TEST_REDIS_URL, {
      lazyConnect: true,
      connectTimeout: PATIENCE_S * 1_000,
      retryStrategy: () => null,
    })
    const failed = new Promise((_resolve, reject) => redis.once('error', reject))
    try {
      await Promise.race([redis.connect().then(() => redis.ping()), failed])
    } finally {
      redis.disconnect()
    }
  }),
  refusal('TEST_DATABASE_URL', TEST_DATABASE_URL, async () => {
    const sql = postgres(TEST_DATABASE_URL, { max: 1, connect_timeout: PATIENCE_S })
    try {
      const [row] =
        await sql`SELECT rolcreatedb OR rolsuper AS may FROM pg_roles WHERE rolname = current_user`
      if (row?.may !== true) throw new Error('its user may not create databases (ALTER ROLE ... CREATEDB)')
    } finally {
      await sql.end({ timeout: 1 })
    }
  }),
])
for (const line of refusals) if (line !== undefined) console.error(line)
process.exit(refusals.some((line) => line !== undefined) ? 1 : 0)

async function refusal(name, url, use) {
  try {
    await use()
    return undefined
  } catch (error) {
    const reason = error.message || error.code
    return `The server of ${name} (${hidden(url)}) cannot be used: ${reason}. Start it, or unset ${name}: the tests then start their own.`
  }
}

/** Without the password. */
function hidden(url) {
  try {
    const { protocol, host, pathname } = new URL(url)
    return `${protocol}//${host}${pathname}`
  } catch {
    return 'which is not a URL'
  }
}
