import { type ProxyConfig, readProxyConfig } from '../proxy-config.ts'
import { ADMIN_PREFIX } from '../proxy-prefix.ts'
import { runService } from '../run-service.ts'

const HELP = `Usage: oncekey proxy --target URL [OPTIONS]

A sidecar in front of any backend: forwards everything to URL (scheme, host, port, base path), and what has an
Idempotency-Key or X-Idempotency-Key header only once. Its answer is recorded and replayed to every retry.

  --target URL           the one backend, e.g. http://127.0.0.1:8081
  --host, --port         where to listen (HOST and PORT: 127.0.0.1, in production 0.0.0.0; 8080)
  --admin-port PORT      /livez /readyz /health /metrics on a port of their own (default: under ${ADMIN_PREFIX}/)
  --require-key METHODS  refuses these without a key, e.g. POST,PATCH
  --client-header NAME   tells callers apart: each has its own keys. Without it, and without --verify, all are one
                         caller, and another Authorization or X-Api-Key with the same key is refused with 409
  --verify               checks signatures, with the settings of oncekey serve; the headers are passed on
  --name NAME            for several backends with one store: each needs a name
  --max-duration TIME    the longest that a request with a key may take (10m)
  --timeout TIME         until the backend begins to answer, and between two pieces of it (as --max-duration)
  --connect-timeout TIME (5s)
  --on-unknown hold      keeps a key whose outcome is not known: 409 outcome_unknown until it is resolved (default)
  --on-unknown release   frees it: for backends that know the forwarded key themselves
  --lookup URL           asked about such a key: {key} in the URL, and an Idempotency-Key header. Answers: 200 with the
                         stored answer, its status in Idempotency-Status (default 200); "Idempotency-Outcome: none":
                         it took no effect and will take none, the key is freed; 404: the same, once the backend had
                         begun to answer or --max-duration is over: until then it may still be at work
  --on-5xx replay        an answer 500-599 is recorded and replayed like any other (default)
  --on-5xx hold          its outcome counts as unknown
  --on-5xx release       it frees the key
  --help                 this

What frees the key: an answer with "Idempotency-Outcome: none", 401, 403, 407, 408, 425 and 429, and a backend that
could not be connected to (502). A timeout, or a connection that is lost later, leaves the outcome unknown: the first
caller gets 504 or 409 outcome_unknown, every retry 409: nobody runs it twice. Answers beyond MAX_RESPONSE_BYTES, event
streams and the like go out whole and cannot be replayed: a retry gets 409 outcome_unknown.

WebSocket, TRACE and CONNECT are refused; redirects are passed on, not followed; trailers, header names with an
underscore and, without TRUST_PROXY, X-Forwarded-* and Forwarded of the client are dropped.

Settings (environment variables, see oncekey serve --help): HOST, PORT, REDIS_URL, DATABASE_URL (without both an
embedded database), DATA_DIR (.oncekey-proxy), IDEMPOTENCY_STORE, IDEMPOTENCY_TTL, IDEMPOTENCY_LEASE, RATE_LIMITS (none),
RATE_LIMIT_ON_OUTAGE, MAX_BODY_BYTES (of a request with a key; 65536), MAX_RESPONSE_BYTES (1048576), TRUST_PROXY,
WORKERS (with REDIS_URL), SHUTDOWN_GRACE, LOG_LEVEL, LOG_FILE; with --verify also HMAC_SECRET, CLIENTS_FILE, SECRETS_KEY, MIN_SCHEME,
SIGNATURE_TOLERANCE.
`

/** Runs until SIGTERM or SIGINT, as oncekey serve does. */
export async function proxy(args: string[]): Promise<number | undefined> {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(HELP)
    return 0
  }
  const config = readProxyConfig(args)
  await runService(
    config.settings,
    // Loaded only where it runs: the primary of several workers forwards nothing itself.
    async (progress, place) => (await import('../proxy-service.ts')).openProxy(config, progress, place),
    (port) => banner(config, port),
  )
  return undefined
}

/** Goes to standard error, the log has standard output. */
function banner({ settings, target, adminPort, onUnknown }: ProxyConfig, port: number): string {
  const { host, idempotencyStore, databaseUrl, dataDir } = settings
  const url = (ofPort: number) => `http://${host.includes(':') ? `[${host}]` : host}:${ofPort}`
  const keys =
    idempotencyStore === 'redis'
      ? 'Redis'
      : databaseUrl === undefined
        ? `embedded, in ${dataDir}`
        : 'PostgreSQL'
  const admin = adminPort === undefined ? `${url(port)}${ADMIN_PREFIX}` : url(adminPort)
  return `
oncekey proxy is ready on ${url(port)}

  to ${target.origin}${target.basePath}; keys: ${keys}; an unknown outcome: ${onUnknown}
  ${admin}/readyz, ${admin}/metrics

`
}
