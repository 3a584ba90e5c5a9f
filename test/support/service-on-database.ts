import postgres from 'postgres'
import { type OrderRow, readOrdersAt } from './check-orders.ts'
import { exchange } from './raw-http.ts'
import { createDatabase } from './servers.ts'
import { type Service, type Settings, startService } from './service.ts'

export interface ServiceOnDatabase {
  service: Service
  port: number
  /** What is in the table, read without the service. */
  orders(): Promise<OrderRow[]>
  /** Changes the tables without the service. */
  execute(statement: string): Promise<void>
  /** One line for each metric series of the service (not of its process), without the value. */
  series(): Promise<string[]>
  close(): Promise<void>
}

/** A service with a database of its own on the shared server, and without Redis. */
export async function startServiceOnDatabase(settings: Settings = {}): Promise<ServiceOnDatabase> {
  const database = await createDatabase()
  const service = await startService({ DATABASE_URL: database.url, ...settings })
  const { port } = service
  return {
    service,
    port,
    orders: () => readOrdersAt(database.url),
    async execute(statement) {
      const sql = postgres(database.url, { max: 1, onnotice: () => {} })
      await sql.unsafe(statement)
      await sql.end()
    },
    async series() {
      const { responses } = await exchange(port, 'GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n')
      const lines = responses[0]?.body.split('\n') ?? []
      return lines
        .filter((line) => /^(?!process_|nodejs_)[a-z]/.test(line))
        .map((line) => line.slice(0, line.lastIndexOf(' ')))
    },
    async close() {
      await service.stop()
      await database.drop()
    },
  }
}
