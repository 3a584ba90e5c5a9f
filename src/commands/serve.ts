import { parseArgs } from 'node:util'
import type { Logger } from '../../internal/telemetry/logger.ts'
import { banner } from '../banner.ts'
import { readConfig } from '../config.ts'
import { printConfig } from '../print-config.ts'
import { runService } from '../run-service.ts'

const HELP = `Usage: oncekey serve [--print-config]

Serves orders and payments on HOST:PORT (default http://127.0.0.1:8080).

  --print-config  shows the settings in force, secrets masked, and exits
  --help          this

Settings (environment variables; durations like 500ms, 30s, 10m, 24h):
  NODE_ENV               production refuses default secrets; anything else is demo mode
  HOST, PORT             where to listen (127.0.0.1, in production 0.0.0.0; 8080)
  DATABASE_URL           PostgreSQL >= 14; without it an embedded one; host:port,host:port finds the primary
  DATABASE_DIRECT_URL    the server behind DATABASE_URL, where that one goes through a pooler (PgBouncer)
  DATA_DIR               where the embedded database is (.oncekey)
  REDIS_URL              Redis >= 6.2 or Valkey: redis://, rediss://, a comma list (Cluster), redis+sentinel://
  HMAC_SECRET            secret of client "default" (demo: super-secret-key)
  CLIENTS_FILE           JSON {client: {secrets: [...], min_scheme}}, re-read when it changes
  SECRETS_KEY            32 bytes, base64: opens the secrets of "oncekey clients" in the database
  SECRETS_KEY_OLD        the key before it, while it is being changed
  API_KEYS               user:key,user:key for "Authorization: Bearer", or none (demo: test-user:test-api-key)
  MIN_SCHEME             weakest signature scheme accepted: v0 (default), v1, rfc9421
  SIGNATURE_TOLERANCE    how far a timestamp may be off (300s)
  SIGNATURE_HINTS        1: a 401 names the likely mistake; for test environments only (0)
  IDEMPOTENCY_STORE      redis or postgres (redis if REDIS_URL is set)
  IDEMPOTENCY_TTL        how long an answer is replayed (24h)
  IDEMPOTENCY_LEASE      lock on a request under way, renewed at a third of it (30s)
  RATE_LIMITS            scope=quota/window[:algorithm[:burst]],... or none, for all routes
                         (each API has its defaults; orders: client=10/60s)
  RATE_LIMIT_ON_OUTAGE   local (default), open or closed
  GATEWAY_URL            the payment gateway, http:// or https://; without it payments are simulated
  GATEWAY_TIMEOUT        how long a charge may take before it is asked about (10s)
  SIMULATED_GATEWAY      delay=50ms,decline=0,failure=0,seed=1 (rates from 0 to 1)
  SIMULATED_FAILURE_RATE  share of the requests to /pay that fail on purpose, 0 to 1 (0; demo: 0.3)
  MAX_BODY_BYTES         65536
  MAX_RESPONSE_BYTES     for oncekey proxy: the largest answer that is recorded (1048576)
  TRUST_PROXY            trusted hops in front, for the client address (0)
  WORKERS                processes that share the port, or auto: one a core; needs both servers (1)
  METRICS_PORT           a listener of its own for /metrics (default: the same port)
  OPERATOR_TOKEN         for /console on METRICS_PORT: 16 characters or more (demo, on loopback: operator, on PORT too)
  SHUTDOWN_GRACE         how long requests under way may finish (25s)
  TRACING                otel: spans with OpenTelemetry, set by OTEL_* (off; otel if OTEL_EXPORTER_OTLP_ENDPOINT is set)
  LOG_LEVEL, LOG_FILE    info, standard output
`

/** Runs until SIGTERM or SIGINT, then finishes what is under way and exits with 0. A second signal exits at once. */
export async function serve(args: string[]): Promise<number | undefined> {
  const { values } = parseArgs({
    args,
    options: { help: { type: 'boolean', short: 'h' }, 'print-config': { type: 'boolean' } },
  })
  if (values.help === true) {
    process.stdout.write(HELP)
    return 0
  }
  const config = readConfig()
  if (values['print-config'] === true) {
    process.stdout.write(printConfig(config))
    return 0
  }
  const hasPrivateConsole = config.operatorToken !== undefined && config.metricsPort !== undefined
  const openConsole = async (logger: Logger) =>
    (await import('../private-console.ts')).openPrivateConsole(config, logger)
  await runService(
    { ...config, openConsole: hasPrivateConsole ? openConsole : undefined },
    // Loaded only where it runs: the primary of several workers serves nothing itself.
    async (progress, place) => (await import('../service.ts')).openService(config, progress, place),
    (port) => banner(config, port),
  )
  return undefined
}
