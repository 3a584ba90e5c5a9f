import type { Database } from '../../internal/database/database.ts'
import { listen } from '../../internal/database/listen.ts'
import { parseClientLimits } from '../../internal/ratelimit/rate-limits.ts'
import { type ClientRegistry, OPEN_CLIENT } from '../../internal/signature/client-registry.ts'
import { CLIENTS_CHANNEL } from '../../internal/signature/client-table.ts'
import { type ClientsFile, openClientsFile } from '../../internal/signature/clients-file.ts'
import { openTableRegistry } from '../../internal/signature/table-registry.ts'
import type { Logger } from '../../internal/telemetry/logger.ts'
import { keyringOf, type SharedConfig } from '../config/config.ts'
import { DEMO_SECRET, isLoopback } from '../config/demo.ts'
import { MIN_SECRET_BYTES } from '../config/setting-values.ts'

const UNHEARD =
  'notifications of PostgreSQL do not arrive, as through a pooler in transaction mode: a change of clients is in force ' +
  'within 30 s instead of at once; set DATABASE_DIRECT_URL to the server behind the pooler'

export interface Clients extends ClientRegistry {
  close(): Promise<void>
}

/** The clients of HMAC_SECRET and CLIENTS_FILE. Throws a plain Error if the file is bad. */
export function openSettingsClients(
  config: Pick<SharedConfig, 'clientsFile' | 'hmacSecret' | 'production' | 'host'>,
  onReload: (result: object) => void,
): ClientsFile {
  return openClientsFile({
    file: config.clientsFile,
    defaultSecret: config.hmacSecret,
    refusedSecrets: config.production || !isLoopback(config.host) ? [DEMO_SECRET] : [],
    minSecretBytes: config.production ? MIN_SECRET_BYTES : 1,
    checkLimits: parseClientLimits,
    onReload,
  })
}

/**
 * All clients that may sign: those of the settings at once, those of the table with the database. A client in both has
 * the secrets of the settings and is reported: a row must not replace configured secrets.
 */
export function openClients(
  config: SharedConfig,
  logger: Pick<Logger, 'info' | 'error'>,
): (database: Database) => Promise<Clients> {
  let idsInTable = (): string[] => []
  let reported = ''
  const settings = openSettingsClients(config, (result) => {
    if (result instanceof Error) logger.error({ err: result }, 'CLIENTS_FILE was not taken over')
    else logger.info(result, 'CLIENTS_FILE was read again')
    reportTwice()
  })
  function reportTwice(): void {
    const twice = idsInTable().filter((id) => settings.find(id) !== undefined)
    if (twice.length > 0 && twice.join() !== reported) {
      logger.error(
        { clients: twice },
        'clients of the settings are in the table too: the settings are in force',
      )
    }
    reported = twice.join()
  }

  return async (database) => {
    const { databaseUrl } = config
    const keyring = keyringOf(config)
    const listenOn = databaseUrl === undefined ? undefined : (config.databaseDirectUrl ?? databaseUrl)
    const trial = {
      notify: () => database.run((sql) => sql`SELECT pg_notify(${CLIENTS_CHANNEL}, '')`),
      onSilence: () => logger.error({}, UNHEARD),
    }
    const table = await openTableRegistry({
      database,
      keyring,
      now: () => performance.now(),
      listen: listenOn === undefined ? undefined : (wake) => listen(listenOn, CLIENTS_CHANNEL, wake, trial),
      onChange(changes) {
        for (const change of changes) logger.info(change, `client ${change.change}`)
        reportTwice()
      },
      onTrouble: (error) => logger.error({ err: error }, 'trouble with the table of clients'),
    })
    idsInTable = table.ids
    reportTwice()
    return {
      // A client of this name would share the keys and payments of callers without credentials.
      find: (client) => (client === OPEN_CLIENT ? undefined : (settings.find(client) ?? table.find(client))),
      // No other process can change the embedded database, and without a key no secret of the table can be opened.
      ...(databaseUrl === undefined || keyring.length === 0 ? {} : { catchUp: table.catchUp }),
      async close() {
        settings.close()
        await table.close()
      },
    }
  }
}
