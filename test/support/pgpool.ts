import { execFileSync } from 'node:child_process'
import { chownSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { needProgram } from './programs.ts'
import { ServerProcess } from './server-process.ts'
import { freePort, query, temporaryDirectory, unprivileged } from './servers.ts'

export interface Pgpool {
  /** The same address through it. */
  through(url: string): string
  /** Such as 4.3. */
  readonly version: number
  stop(): Promise<void>
}

/** Pgpool-II in front of the server of this URL, in a mode of backend_clustering_mode, such as raw. */
export async function startPgpool(url: string, mode: string, settings: string[] = []): Promise<Pgpool> {
  const program = needProgram('pgpool', 'pgpool2')
  const directory = temporaryDirectory()
  const user = unprivileged()
  if (user) chownSync(directory, user.uid, user.gid)
  const [port, control] = [await freePort(), await freePort()]
  const { hostname, port: behind } = new URL(url)
  const file = (name: string, lines: readonly string[] = []) => {
    writeFileSync(join(directory, name), lines.map((line) => `${line}\n`).join(''))
    return join(directory, name)
  }
  const configuration = file('pgpool.conf', [
    `backend_clustering_mode = '${mode}'`,
    ...["listen_addresses = '127.0.0.1'", `port = ${port}`, `unix_socket_directories = '${directory}'`],
    ...["pcp_listen_addresses = '127.0.0.1'", `pcp_port = ${control}`, `pcp_socket_dir = '${directory}'`],
    ...[`backend_hostname0 = '${hostname}'`, `backend_port0 = ${behind || 5432}`, 'backend_weight0 = 1'],
    ...[
      'num_init_children = 100',
      'max_pool = 1',
      "backend_flag0 = 'DISALLOW_TO_FAILOVER'",
      `pid_file_name = '${join(directory, 'pgpool.pid')}'`,
    ],
    ...["sr_check_user = 'postgres'", 'failover_on_backend_error = off', `logdir = '${directory}'`],
    ...settings,
  ])
  const through = (address: string) => Object.assign(new URL(address), { port: `${port}` }).href
  const server = await ServerProcess.start({
    program,
    args: ['-n', '-f', configuration, '-F', file('pcp.conf'), '-a', file('pool_hba.conf')],
    log: join(directory, 'pgpool.log'),
    // It gives its files to the user it runs as.
    user,
    // At once, with connections that are still open.
    stopSignal: 'SIGINT',
    probe: async () => void (await query(through(url), (sql) => sql.unsafe('SELECT 1'))),
  })
  return { through, version: versionOf(program), stop: () => server.stop() }
}

/** It writes its version to standard error. */
function versionOf(program: string): number {
  const text = execFileSync('sh', ['-c', `"${program}" --version 2>&1`], { encoding: 'utf8' })
  return Number(/pgpool-II version (\d+\.\d+)/.exec(text)?.[1])
}
