import { execFile } from 'node:child_process'
import { chownSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type MemberAddress, startPrimaryProxy } from './patroni-haproxy.ts'
import { needProgram } from './programs.ts'
import { endProcessesIn, ServerProcess } from './server-process.ts'
import { freePort, postgresDirectory, query, temporaryDirectory, unprivileged } from './servers.ts'
import { until } from './until.ts'

export interface PatroniCluster {
  /** A new database on all members. */
  createDatabase(name: string): Promise<string>
  /** One database on the member that is the leader now, without the others. */
  onLeader(name: string): Promise<string>
  /** One database by way of HAProxy, which is started for it. */
  behindHaproxy(name: string): Promise<string>
  /** Resolves when another member is the leader, and the old one follows it. */
  switchOver(): Promise<void>
  /** SIGKILL to the leader's Patroni and PostgreSQL at once. Returns what starts it again. */
  killLeader(): Promise<() => Promise<void>>
  /** The members whose Patroni answers that they lead. */
  leaders(): Promise<string[]>
  /** The store of the cluster's configuration (DCS), which is one etcd. */
  readonly etcd: { stop(): Promise<void>; start(): Promise<void> }
  stop(): Promise<void>
}

export interface PatroniOptions {
  /** `failsafe_mode`: without etcd the leader goes on while it reaches all other members. */
  failsafe: boolean
}

const run = promisify(execFile)
const PASSWORD = 'not-a-secret'
/** The shortest that Patroni takes: loop_wait + 2 x retry_timeout may not be above ttl. */
const TIMES = { ttl: 20, loop_wait: 5, retry_timeout: 5 }
const PATIENCE_MS = 120_000
const ASK_MS = 2_000

interface Member extends MemberAddress {
  start(): Promise<void>
  kill(): Promise<void>
  stop(): Promise<void>
}

/** Two members of PostgreSQL with a synchronous standby, and etcd. They start in half a minute. */
export async function startPatroni({ failsafe }: PatroniOptions): Promise<PatroniCluster> {
  const program = needProgram('patroni', 'patroni python3-etcd')
  const directory = temporaryDirectory()
  const user = unprivileged()
  const own = (path: string) => {
    if (user) chownSync(path, user.uid, user.gid)
  }
  own(directory)
  const etcd = await startEtcd(directory, own)
  const ports = [await freePort(), await freePort(), await freePort(), await freePort()] as const
  const dcs = {
    ...TIMES,
    synchronous_mode: true,
    failsafe_mode: failsafe,
    postgresql: { use_pg_rewind: true, parameters: { max_connections: 200, wal_log_hints: 'on' } },
  }
  const member = (name: string, port: number, restPort: number): Member => {
    const home = join(directory, name)
    mkdirSync(home)
    own(home)
    const host = `127.0.0.1:${port}`
    const rest = `127.0.0.1:${restPort}`
    const superuser = { username: 'postgres', password: PASSWORD }
    // JSON is YAML too.
    const configuration = {
      scope: 'orders',
      name,
      restapi: { listen: rest, connect_address: rest },
      etcd3: { host: etcd.address },
      bootstrap: {
        dcs,
        initdb: [{ encoding: 'UTF8' }, { locale: 'C.UTF-8' }],
        pg_hba: [
          'host replication all 127.0.0.1/32 scram-sha-256',
          'host all all 127.0.0.1/32 scram-sha-256',
        ],
      },
      postgresql: {
        listen: host,
        connect_address: host,
        data_dir: join(home, 'data'),
        bin_dir: postgresDirectory(),
        pgpass: join(home, 'pgpass'),
        authentication: { superuser, replication: { username: 'replicator', password: PASSWORD } },
        parameters: { unix_socket_directories: home },
      },
    }
    const file = join(directory, `${name}.yml`)
    writeFileSync(file, JSON.stringify(configuration, undefined, 2))
    const command = {
      program,
      args: [file],
      log: join(directory, `${name}.log`),
      user,
      stopSignal: 'SIGTERM' as const,
      probe: async () => void (await ask(rest, '/liveness')),
    }
    let server: ServerProcess
    return {
      name,
      host,
      rest,
      async start() {
        server = await ServerProcess.start(command)
      },
      async kill() {
        await server.kill()
        endProcessesIn(join(home, 'data'))
      },
      stop: () => server.stop(),
    }
  }
  const members = [member('pg1', ports[0], ports[1]), member('pg2', ports[2], ports[3])]
  for (const one of members) await one.start()

  const leaders = async () => {
    const answers = await Promise.all(members.map(({ rest }) => ask(rest, '/primary').catch(() => 0)))
    return members.filter((_, i) => answers[i] === 200).map(({ name }) => name)
  }
  const isReady = async () => {
    const roles = await Promise.all(
      members.flatMap(({ rest }) => ['/primary', '/sync'].map((path) => ask(rest, path).catch(() => 0))),
    )
    return roles.filter((status) => status === 200).length === 2
  }
  const leader = async () => {
    await until('one member leads', async () => (await leaders()).length === 1, PATIENCE_MS)
    const [name] = await leaders()
    const found = members.find((one) => one.name === name)
    if (found === undefined) throw new Error('no member leads')
    return found
  }
  const urlAt = (hosts: string, name: string) =>
    `postgres://postgres:${PASSWORD}@${hosts}/${name}?target_session_attrs=read-write`
  await until('a leader and its synchronous standby are there', isReady, PATIENCE_MS)
  const file = join(directory, 'pg1.yml')
  // Beside the load, which runs in this process.
  const control = async (...args: string[]) =>
    (await run(needProgram('patronictl', 'patroni'), ['-c', file, ...args])).stdout

  let proxy: Awaited<ReturnType<typeof startPrimaryProxy>> | undefined

  return {
    leaders,
    async behindHaproxy(name) {
      proxy ??= await startPrimaryProxy(
        members,
        (host, database) => `postgres://postgres:${PASSWORD}@${host}/${database}`,
      )
      return proxy.urlOf(name)
    },
    async createDatabase(name) {
      const { host } = await leader()
      await query(urlAt(host, 'postgres'), (sql) => sql`CREATE DATABASE ${sql(name)}`)
      return urlAt(members.map((one) => one.host).join(), name)
    },
    async onLeader(name) {
      return urlAt((await leader()).host, name)
    },
    async switchOver() {
      const old = await leader()
      await control('switchover', '--force', 'orders')
      const next = async () => (await leaders()).some((name) => name !== old.name)
      await until('another member leads', next, PATIENCE_MS)
      await until('the old leader follows', isReady, PATIENCE_MS)
    },
    async killLeader() {
      const old = await leader()
      await old.kill()
      return async () => {
        await old.start()
        await until('the old leader follows', isReady, PATIENCE_MS)
      }
    },
    etcd,
    async stop() {
      await proxy?.stop()
      await Promise.all(members.map((one) => one.stop()))
      await etcd.stop()
    },
  }
}

async function startEtcd(directory: string, own: (path: string) => void) {
  const data = join(directory, 'etcd')
  mkdirSync(data, { mode: 0o700 })
  own(data)
  const [client, peer] = [await freePort(), await freePort()]
  const address = `127.0.0.1:${client}`
  const urls = [`http://${address}`, `http://127.0.0.1:${peer}`] as const
  const command = {
    program: needProgram('etcd', 'etcd-server'),
    args: [
      ...['--data-dir', data, '--listen-client-urls', urls[0], '--advertise-client-urls', urls[0]],
      ...['--listen-peer-urls', urls[1], '--initial-advertise-peer-urls', urls[1]],
      ...['--initial-cluster', `default=${urls[1]}`],
    ],
    log: join(directory, 'etcd.log'),
    user: unprivileged(),
    stopSignal: 'SIGTERM' as const,
    probe: async () => void (await ask(address, '/health')),
  }
  let server = await ServerProcess.start(command)
  return {
    address,
    stop: () => server.stop(),
    async start() {
      server = await ServerProcess.start(command)
    },
  }
}

/** The status of the response. */
async function ask(host: string, path: string): Promise<number> {
  const response = await fetch(`http://${host}${path}`, { signal: AbortSignal.timeout(ASK_MS) })
  await response.body?.cancel()
  return response.status
}
