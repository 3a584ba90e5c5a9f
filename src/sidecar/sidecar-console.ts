import { consoleApi } from '../../internal/console/console-api.ts'
import { consolePage } from '../../internal/console/console-page.ts'
import { type NodeBoard, postgresBoard, redisBoard } from '../../internal/console/node-board.ts'
import { reportNode } from '../../internal/console/report-node.ts'
import { Traffic } from '../../internal/console/traffic.ts'
import type { Middleware } from '../../internal/core/request-state.ts'
import type { ServedRoute } from '../../internal/http/route-map.ts'
import type { Limiter } from '../../internal/ratelimit/limiter.ts'
import type { OwnLimits } from '../../internal/ratelimit/rate-limits.ts'
import { VERSION } from '../package-root.ts'
import { clientStandings } from '../runtime/client-standings.ts'
import { consoleGate, type GatedRoute } from '../runtime/console-gate.ts'
import type { StoreDependencies } from '../runtime/dependencies.ts'
import { keyRecords } from '../runtime/key-engine.ts'
import type { ProxyConfig, SidecarSettings } from './proxy-config.ts'
import { ADMIN_PREFIX } from './proxy-config.ts'

interface SidecarConsoleDependencies extends Pick<StoreDependencies, 'database' | 'redis' | 'logger'> {
  config: SidecarSettings
  proxy: Pick<ProxyConfig, 'adminPort' | 'verify'>
  limiter: Limiter
  ownLimits: OwnLimits | undefined
}

export interface SidecarConsole {
  /** For the listener of health and metrics. */
  routes: readonly ServedRoute[]
  /** Counts requests. */
  traffic: Traffic
  close(): Promise<void>
}

/** The name in limits and metrics. */
const ROUTE = 'proxy'

/** The console of all sidecars with this store. */
export function openSidecarConsole(token: string, dependencies: SidecarConsoleDependencies): SidecarConsole {
  const board = boardOf(dependencies)
  const traffic = new Traffic(Date.now)
  const reporting = reportNode(board, {
    kind: 'sidecar',
    version: VERSION,
    traffic,
    circuits: async () => ({}),
    onTrouble: (error) => dependencies.logger.warn({ err: error }, 'the console is not told of this process'),
  })
  return { routes: routesOf(dependencies, board, token), traffic, close: () => reporting.close() }
}

function boardOf({ config, database, redis }: SidecarConsoleDependencies): NodeBoard {
  if (config.idempotencyStore === 'redis' && redis !== undefined) return redisBoard(redis, config.redisPrefix)
  if (database === undefined) throw new Error('the console needs a database where the keys are not in Redis')
  return postgresBoard(database, 'sidecar')
}

function routesOf(dependencies: SidecarConsoleDependencies, nodes: NodeBoard, token: string): ServedRoute[] {
  const { config, proxy, limiter, ownLimits } = dependencies
  const prefix = proxy.adminPort === undefined ? ADMIN_PREFIX : ''
  const limits = [{ group: 'all', limits: config.rateLimits ?? [] }]
  const api = consoleApi({
    kind: 'sidecar',
    nodes,
    searchClient: proxy.verify ? 'default' : 'anonymous',
    ledger: undefined,
    records: keyRecords(dependencies),
    scopes: undefined,
    resolutionsElsewhere: true,
    now: Date.now,
    standings: (client) => clientStandings({ limiter, ownLimits, limits, route: ROUTE }, client),
  })
  const gate = consoleGate(token)
  const page = consolePage(prefix)
  const served = (
    method: ServedRoute['method'],
    path: string,
    route: GatedRoute,
    handler: Middleware,
  ): ServedRoute => ({ method, path: `${prefix}/console${path}`, middlewares: [...gate(route), handler] })
  const auth = 'operator'
  return [
    served('GET', '', {}, page),
    served('GET', '/:file', {}, page),
    served('GET', '/api/overview', { auth }, api.overview),
    served('GET', '/api/key', { auth, query: ['client', 'key', 'scope'] }, api.key),
    served('POST', '/api/keys/resolve', { auth, json: 'required' }, api.resolveKey),
  ]
}
