import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { needProgram } from './programs.ts'
import { ServerProcess } from './server-process.ts'
import { freePort, query, unprivileged } from './servers.ts'

export interface PgBouncer {
  /** The same address through it. */
  through(url: string): string
  /** Such as 1.18. */
  readonly version: number
  stop(): Promise<void>
}

/** In transaction mode, in front of the server of this URL and all of its databases. */
export async function startPgBouncer(url: string, settings: string[] = []): Promise<PgBouncer> {
  const program = needProgram('pgbouncer', 'pgbouncer')
  const directory = mkdtempSync('/tmp/oncekey-pgbouncer-')
  chmodSync(directory, 0o711)
  const { hostname, port: behind, username, password } = new URL(url)
  const port = await freePort()
  const file = join(directory, 'pgbouncer.ini')
  const credentials = `user=${username || 'postgres'}${password === '' ? '' : ` password=${password}`}`
  const lines = [
    '[databases]',
    `* = host=${hostname} port=${behind || 5432} ${credentials}`,
    '[pgbouncer]',
    ...['listen_addr = 127.0.0.1', `listen_port = ${port}`, 'unix_socket_dir =', 'auth_type = any'],
    ...[
      'pool_mode = transaction',
      'default_pool_size = 4',
      'max_client_conn = 500',
      // Usually 15 s: for so long no client gets a connection after one try to make one has failed.
      'server_login_retry = 1',
      ...settings,
    ],
  ]
  writeFileSync(file, `${lines.join('\n')}\n`)
  const through = (address: string) => Object.assign(new URL(address), { port: `${port}` }).href
  const server = await ServerProcess.start({
    program,
    args: [file],
    log: join(directory, 'pgbouncer.log'),
    // It does not run as root.
    user: unprivileged(),
    stopSignal: 'SIGTERM',
    // With a parameter: disable_pqexec takes no simple query.
    probe: async () => void (await query(through(url), (sql) => sql`SELECT ${1}::int`)),
  })
  return {
    through,
    version: pgBouncerVersion(),
    async stop() {
      await server.stop()
      rmSync(directory, { recursive: true })
    },
  }
}

/** Of the one that is installed. */
export function pgBouncerVersion(): number {
  const program = needProgram('pgbouncer', 'pgbouncer')
  const text = execFileSync(program, ['--version'], { encoding: 'utf8' })
  return Number(/PgBouncer (\d+\.\d+)/.exec(text)?.[1])
}
