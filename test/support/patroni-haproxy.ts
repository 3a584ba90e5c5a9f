import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { needProgram } from './programs.ts'
import { ServerProcess } from './server-process.ts'
import { freePort, query, temporaryDirectory } from './servers.ts'

/** The address of a member of Patroni, and that of its REST API. */
export interface MemberAddress {
  readonly name: string
  readonly host: string
  readonly rest: string
}

/** As operators run it, with the times that Patroni's own example has: to the member whose REST API says that it leads. */
const configuration = (address: string, members: readonly MemberAddress[]) => `
global
  maxconn 400
defaults
  mode tcp
  retries 2
  timeout connect 4s
  timeout client 30m
  timeout server 30m
  timeout check 5s
listen primary
  bind ${address}
  option httpchk OPTIONS /primary
  http-check expect status 200
  default-server inter 3s fall 3 rise 2 on-marked-down shutdown-sessions
${members.map(({ name, host, rest }) => `  server ${name} ${host} check port ${new URL(`http://${rest}`).port}`).join('\n')}
`

/** One HAProxy in front of these members; it has found the leader when this resolves. `urlOf` names a database behind it. */
export async function startPrimaryProxy(
  members: readonly MemberAddress[],
  urlOf: (host: string, database: string) => string,
) {
  const directory = temporaryDirectory()
  const file = join(directory, 'haproxy.cfg')
  const address = `127.0.0.1:${await freePort()}`
  writeFileSync(file, configuration(address, members))
  const proxy = await ServerProcess.start({
    program: needProgram('haproxy', 'haproxy'),
    // -db: in the foreground, one process.
    args: ['-db', '-f', file],
    log: join(directory, 'haproxy.log'),
    user: undefined,
    stopSignal: 'SIGTERM',
    probe: () => query(urlOf(address, 'postgres'), async (sql) => void (await sql`SELECT 1`)),
  })
  return { urlOf: (database: string) => urlOf(address, database), stop: () => proxy.stop() }
}
