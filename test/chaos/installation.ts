import { createHash } from 'node:crypto'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { FaultProxy } from '../../src/tools/faults/fault-proxy.ts'
import { type Behaviour, type CountingGateway, countingGateway } from '../support/counting-gateway.ts'
import { query, startPostgres, startRedis, type ThrowawayServer } from '../support/servers.ts'
import { type Service, type Settings, startService } from '../support/service.ts'
import { FakeClock, whyNoFakeClock } from './fake-clock.ts'
import { hasCharges } from './fault-kinds.ts'
import { Receivers } from './receivers.ts'
import { GATEWAY_TIMEOUT_MS, GRACE_MS, MAX_DURATION_MS, type RunPlan } from './run-plan.ts'
import { openSmallDisk, type SmallDisk, whyNoSmallDisk } from './small-disk.ts'

export interface InstalledNode {
  n: number
  service: Service
  /** Between this node and its stores; undefined where it has none. */
  redis: FaultProxy | undefined
  postgres: FaultProxy | undefined
  logFile: string
  /** Lets the clock of the node be off by so much from now on, ms. */
  shiftClock(ms: number): void
  /** The shift that the node has noticed. */
  seenShift(): number
  /** From its next start on it is the other of the two versions. */
  changeVersion(): void
  version(): string
}

export interface Installation {
  plan: RunPlan
  nodes: readonly InstalledNode[]
  redis: ThrowawayServer | undefined
  postgres: ThrowawayServer | undefined
  /** Wall clocks of the servers; undefined where they cannot be stepped. */
  clocks: { redis: FakeClock | undefined; postgres: FakeClock | undefined }
  /** That PostgreSQL has its data on; undefined where there can be none. */
  disk: SmallDisk | undefined
  /** Between the sidecars and their backend, or the nodes and their gateway. */
  behind: FaultProxy | undefined
  /** What the payment gateway does with charges now, and with questions about them. */
  gateway: { mood: () => Behaviour; find: (how: CountingGateway['finds']) => void } | undefined
  /** Of webhooks; undefined where there are none. */
  receivers: Receivers | undefined
  /** Where the gateway or the backend writes down what it has done. */
  ledgerFile: string
  close(): Promise<void>
}

export interface InstallationOptions {
  plan: RunPlan
  directory: string
  /** What the nodes run. */
  program: string
  /** Of another version, for faults that mix them. */
  otherProgram: string | undefined
}

/** The service's role in PostgreSQL: it owns the database, and its rights can be taken from it. */
export const ROLE = 'oncekey'
const POSTGRES_SETTINGS = [
  'fsync = on',
  'max_connections = 60',
  'min_wal_size = 2MB',
  'max_wal_size = 32MB',
  // After a kill; file by file it takes many seconds on a busy disk. Elsewhere than on Linux there is no other way.
  ...(process.platform === 'linux' ? ['recovery_init_sync_method = syncfs'] : []),
]
/** So that the clock of PostgreSQL can be put right again and again where it must not jump ahead. */
const AHEAD_MS = 86_400_000

/** A sidecar's Redis keeps over a kill what was sent. */
const DURABLE = ['--appendonly', 'yes', '--appendfsync', 'always']
const CLOCK_SHIFT = new URL('./clock-shift.mjs', import.meta.url)
/** Made so long after the client has gone, and well before the service counts on nothing more showing. */
const LATE_MS = GATEWAY_TIMEOUT_MS + 500

/** Servers, wires and nodes of a run, all of its own and on free ports, all well. */
export async function openInstallation(options: InstallationOptions): Promise<Installation> {
  /** The last first: what dials goes before what is dialled. */
  const opened: (() => unknown)[] = []
  const close = async () => {
    for (const end of opened.splice(0).reverse()) await end()
  }
  try {
    return { ...(await open(options, (end) => opened.push(end))), close }
  } catch (error) {
    await close()
    throw error
  }
}

type OnOpen = (end: () => unknown) => void

async function open(options: InstallationOptions, onOpen: OnOpen): Promise<Omit<Installation, 'close'>> {
  const { plan, directory, program, otherProgram } = options
  const { mode, store } = plan
  const scratch = mkdtempSync(join(tmpdir(), 'oncekey-chaos-'))
  onOpen(() => rmSync(scratch, { recursive: true, force: true }))
  // PostgreSQL runs as another user than root.
  chmodSync(scratch, 0o711)
  const ledgerFile = join(directory, 'ledger')
  writeFileSync(ledgerFile, '')
  const withRedis = mode !== 'proxy' || store === 'redis'
  const withPostgres = mode !== 'proxy' || store === 'postgres'
  const disk = withPostgres && whyNoSmallDisk() === undefined ? openSmallDisk(scratch) : undefined
  if (disk !== undefined) onOpen(() => disk.close())
  const clockOf = (name: string, offsetMs: number) =>
    whyNoFakeClock() === undefined ? new FakeClock(join(scratch, `${name}.clock`), offsetMs) : undefined
  const clocks = {
    redis: withRedis ? clockOf('redis', 0) : undefined,
    postgres: withPostgres ? clockOf('postgres', mode === 'payments' ? AHEAD_MS : 0) : undefined,
  }
  const [redis, postgres] = await Promise.all([
    withRedis ? startRedis({ settings: mode === 'proxy' ? DURABLE : [], env: clocks.redis?.env }) : undefined,
    withPostgres
      ? startPostgres({
          settings: POSTGRES_SETTINGS,
          ...(disk === undefined ? {} : { directory: disk.directory }),
          ...(clocks.postgres === undefined ? {} : { env: clocks.postgres.env }),
        })
      : undefined,
  ])
  for (const server of [redis, postgres]) if (server !== undefined) onOpen(() => server.stop())
  if (postgres !== undefined) {
    await query(postgres.url, (sql) =>
      sql.unsafe(`CREATE ROLE ${ROLE} LOGIN; ALTER DATABASE postgres OWNER TO ${ROLE}`),
    )
  }

  const wire = async (port: number, name: string) => {
    const proxy = new FaultProxy({ target: { host: '127.0.0.1', port }, seed: `${plan.seed}/${name}` })
    onOpen(() => proxy.close())
    return await proxy.start()
  }
  const gateway = hasCharges(mode) ? await openGateway(ledgerFile, onOpen) : undefined
  const receivers = mode === 'events' ? await Receivers.open(plan, directory) : undefined
  if (receivers !== undefined) onOpen(() => receivers.close())
  let behind = gateway === undefined ? undefined : await wire(portOf(gateway.url), 'behind')
  if (mode === 'proxy') {
    const backend = await startService({}, ['backend', '--port', '0', '--ledger', ledgerFile], program)
    onOpen(() => backend.stop())
    behind = await wire(backend.port, 'behind')
  }
  const clients = Object.fromEntries(
    plan.clients.filter(({ bearer }) => !bearer).map(({ name, secret }) => [name, { secrets: [secret] }]),
  )
  const clientsFile = join(scratch, 'clients.json')
  writeFileSync(clientsFile, JSON.stringify(clients))

  const startNode = async (n: number): Promise<InstalledNode> => {
    const wires = {
      redis: redis === undefined ? undefined : await wire(portOf(redis.url), `redis ${n}`),
      postgres: postgres === undefined ? undefined : await wire(portOf(postgres.url), `postgres ${n}`),
    }
    const logFile = resolve(directory, `node-${n}.log`)
    const clockFile = join(scratch, `clock-${n}`)
    writeFileSync(clockFile, '0')
    const settings = {
      ...settingsOf(plan, wires),
      ...(gateway === undefined ? {} : { GATEWAY_URL: `http://127.0.0.1:${behind?.port}` }),
      LOG_FILE: logFile,
      CLIENTS_FILE: clientsFile,
      CHAOS_CLOCK: clockFile,
      NODE_OPTIONS: `--import ${CLOCK_SHIFT.href}`,
    }
    // The versions are mixed from the start; the first node makes the schema.
    let isOther = otherProgram !== undefined && n === 1
    const service = await startService(settings, argsOf(plan, behind), () =>
      isOther && otherProgram !== undefined ? otherProgram : program,
    )
    onOpen(() => service.kill())
    return {
      n,
      service,
      logFile,
      ...wires,
      changeVersion: () => {
        isOther = !isOther
      },
      version: () => (isOther ? 'the other version' : 'this version'),
      shiftClock: (ms) => writeFileSync(clockFile, String(ms)),
      seenShift: () => Number(readOr(`${clockFile}.seen`, '0')),
    }
  }
  // The first one alone: it makes the schema.
  const first = await startNode(0)
  const others = await Promise.all(Array.from({ length: plan.nodes - 1 }, (_, n) => startNode(n + 1)))
  return {
    plan,
    nodes: [first, ...others],
    redis,
    postgres,
    clocks,
    disk,
    behind,
    gateway,
    receivers,
    ledgerFile,
  }
}

function settingsOf(plan: RunPlan, wires: Pick<InstalledNode, 'redis' | 'postgres'>): Settings {
  const { store, mode, limit, clients } = plan
  // Secrets of endpoints lie sealed under it.
  const secretsKey = createHash('sha256')
    .update(clients[0]?.secret ?? '')
    .digest('base64')
  const keys = clients.filter(({ bearer }) => bearer).map(({ name, secret }) => `${name}:${secret}`)
  return {
    ...(wires.redis === undefined ? {} : { REDIS_URL: `redis://127.0.0.1:${wires.redis.port}` }),
    ...(wires.postgres === undefined
      ? {}
      : { DATABASE_URL: `postgres://${ROLE}@127.0.0.1:${wires.postgres.port}/postgres` }),
    IDEMPOTENCY_STORE: store,
    IDEMPOTENCY_TTL: `${plan.ttlMs}ms`,
    IDEMPOTENCY_LEASE: `${plan.leaseMs}ms`,
    SHUTDOWN_GRACE: `${GRACE_MS}ms`,
    ...(mode === 'events' ? { SECRETS_KEY: secretsKey } : {}),
    HMAC_SECRET: plan.clients[0]?.secret ?? '',
    MIN_SCHEME: 'v1',
    ...(limit === null ? {} : { RATE_LIMITS: `client=${limit.quota}/${limit.windowMs}ms` }),
    ...(mode === 'proxy' ? {} : { API_KEYS: keys.length === 0 ? 'none' : keys.join(',') }),
    ...(hasCharges(mode) ? { GATEWAY_TIMEOUT: `${GATEWAY_TIMEOUT_MS}ms` } : {}),
  }
}

function argsOf({ mode }: RunPlan, behind: FaultProxy | undefined): string[] {
  if (mode !== 'proxy' || behind === undefined) return ['serve']
  const target = `http://127.0.0.1:${behind.port}`
  return ['proxy', '--target', target, '--verify', '--max-duration', `${MAX_DURATION_MS}ms`]
}

async function openGateway(file: string, onOpen: OnOpen) {
  let count = 0
  const held = {
    url: '',
    mood: (): Behaviour => (++count % 20 === 0 ? 'decline' : 'answer'),
    find(how: CountingGateway['finds']) {
      gateway.finds = how
    },
  }
  const gateway = await countingGateway({ file, behave: () => held.mood(), lateMs: LATE_MS })
  onOpen(() => gateway.close())
  held.url = gateway.url
  return held
}

function portOf(url: string): number {
  return Number(new URL(url).port)
}

function readOr(file: string, fallback: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return fallback
  }
}
