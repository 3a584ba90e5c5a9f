import { isRefreshed } from '../../internal/proxy/telling-headers.ts'
import { settingsHelp } from '../config/describe-settings.ts'
import { runService } from '../runtime/run-service.ts'
import { ADMIN_PREFIX, type ProxyConfig, readProxyConfig } from '../sidecar/proxy-config.ts'

export const HELP = `Usage: oncekey proxy --target URL [OPTIONS]

A sidecar in front of any backend: forwards everything to URL (scheme, host, port, base path), and what has an
Idempotency-Key or X-Idempotency-Key header only once. Its response is recorded and replayed to every retry.

  --target URL           the one backend, e.g. http://127.0.0.1:8081
  --host, --port         where to listen, in place of HOST and PORT
  --admin-port PORT      /livez /readyz /health /metrics on a port of their own (default: under ${ADMIN_PREFIX}/); with
                         OPERATOR_TOKEN also /console
  --require-key METHODS  refuses these without a key, e.g. POST,PATCH
  --caller SOURCE        names the caller, each with keys of its own, by what stays when a token is refreshed:
                           header:NAME   set by the gateway in front, which removes what clients send under this name
                           cookie:NAME   the value of one cookie
                           jwt:CLAIM     a claim of the Bearer token, e.g. jwt:sub; the sidecar does NOT check the token:
                                         only for a port that nothing but a gateway that checks it can reach
                         Without it, and without --verify, all share one set of keys: a retry under another Authorization,
                         Cookie, X-Api-Key or the like gets 409, and never the response. header:authorization makes each
                         refreshed token another caller, whose retry RUNS AGAIN
  --client-header NAME   the same as --caller header:NAME
  --verify               checks signatures, with the settings of oncekey serve; the headers are passed on
  --preserve-host        the backend gets the Host of the request instead of that of the target: for one that makes
                         redirects or links from it, or serves several hosts (each has its own keys)
  --no-keep-alive        a connection to the backend for each request: for one that closes connections without having said
                         so (Connection: close), where a request on its way would be lost
  --name NAME            for several backends with one store: each needs a name
  --max-duration TIME    the longest that a request with a key may take (10m)
  --timeout TIME         until the backend begins to respond, and between two pieces of it (as --max-duration)
  --connect-timeout TIME (5s)
  --on-unknown hold      keeps a key whose outcome is not known: 409 outcome_unknown until it is resolved (default)
  --on-unknown release   frees it: for backends that know the forwarded key themselves
  --lookup URL           asked about such a key: {key} in the URL, and an Idempotency-Key header. Responses: 200 with the
                         stored response, its status in Idempotency-Status (default 200); "Idempotency-Outcome: none":
                         it took no effect and will take none, the key is freed; 404: the same, once the backend had
                         begun to respond or --max-duration is over: until then it may still be at work. In a path,
                         a key with / \\ % ? # ; or of dots alone is not asked about: write ?key={key} for those
  --on-5xx auto          503 frees the key; 502 and 504 count as unknown: they may come from a gateway before the backend;
                         any other 5xx is the backend's word, recorded and replayed (default)
  --on-5xx replay        the same, but 502 and 504 are replayed as well: for a backend that means them
  --on-5xx hold          the outcome of every 5xx counts as unknown: behind Envoy (Istio), which says 503 also of a
                         connection that was lost after the request was sent
  --on-5xx release       every 5xx frees the key
  --help                 this

What frees the key: a response with "Idempotency-Outcome: none", 503 (see --on-5xx), the 4xx that say that the request was
not acted on (400, 401, 403, 407, 408, 411, 413, 414, 415, 417, 421, 423, 425, 426, 428, 429, 431), and a backend that could
not be connected to (502). A timeout, or a connection that is lost later, leaves the outcome unknown: the first
caller gets 504 or 409 outcome_unknown, every retry 409: it is not run twice. Responses beyond MAX_RESPONSE_BYTES, event
streams and the like go out whole and cannot be replayed: a retry gets 409 outcome_unknown.

GET, HEAD and OPTIONS ask for no change and are passed on each time, with a key too, unless --require-key names them.
Set-Cookie is not replayed: a login that is retried with its key gets no session. docs/sidecar.md has each case.

WebSocket, TRACE and CONNECT are refused; redirects are passed on, not followed; trailers, header names with an
underscore and, without TRUST_PROXY, X-Forwarded-* and Forwarded of the client are dropped.

Settings are environment variables; durations are like 500ms, 30s, 10m, 24h; the default is in brackets:
${settingsHelp('proxy')}
With --verify also:
${settingsHelp('proxy --verify', 'proxy')}`

/** Runs until SIGTERM or SIGINT, as oncekey serve does. */
export async function proxy(args: string[]): Promise<number | undefined> {
  const config = readProxyConfig(args)
  await runService(
    config.settings,
    // Not loaded in the primary of several workers.
    async (progress, place) =>
      (await import('../sidecar/proxy-service.ts')).openProxy(config, progress, place),
    (port) => banner(config, port),
  )
  return undefined
}

/** Goes to standard error, the log has standard output. */
function banner(config: ProxyConfig, port: number): string {
  const { settings, target, adminPort, onUnknown } = config
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
  ${admin}/readyz, ${admin}/metrics${settings.operatorToken === undefined ? '' : `, ${admin}/console`}
${noted(callerNote(config))}
`
}

function noted(note: string | undefined): string {
  return note === undefined ? '' : `\n  Note: ${note}\n`
}

/** A note on how callers are distinguished; undefined: there is nothing to note. */
function callerNote({ verify, caller }: Pick<ProxyConfig, 'verify' | 'caller'>): string | undefined {
  if (verify) return undefined
  if (caller === undefined) {
    return `callers are not told apart. All share one set of keys, and a stored response is replayed only under the
  credentials that it was made for: a retry with a refreshed token gets 409. See --caller and --verify in --help.`
  }
  if (caller.kind === 'jwt') {
    return `the token whose claim "${caller.claim}" names the caller is not checked here. Let nothing reach this port but a
  gateway that checks it: a forged token would be given the stored responses of another caller.`
  }
  if (caller.kind === 'header' && isRefreshed(caller.name)) {
    return `--caller header:${caller.name} makes each refreshed token or session another caller: its retry RUNS AGAIN.
  Name the caller by what stays: --caller jwt:sub, cookie:NAME, or a header that your gateway sets.`
  }
  return undefined
}
