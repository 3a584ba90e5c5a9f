import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ADMIN_PREFIX } from '../../src/sidecar/proxy-config.ts'
import { one, type RawResponse } from '../support/raw-http.ts'
import { createDatabase, startRedis } from '../support/servers.ts'
import { startService } from '../support/service.ts'
import type { FuzzCase } from './fuzz-case.ts'
import { problemFault } from './judge.ts'
import { metricFaults, type Scraped } from './metric-faults.ts'
import { BROKEN_RESPONSES, startOddBackend } from './odd-backend.ts'
import { CANARY, CLIENTS, DEFAULT } from './parties.ts'
import { proxyGrammar } from './proxy-grammar.ts'
import type { Sent } from './send-case.ts'
import { LogWatch } from './watch-log.ts'
import type { Store, World } from './world.ts'

const BASE = '/base'
/** What a client may be told of a backend that does not do its part. */
const OF_THE_BACKEND = new Set([502, 504])
const UNSOUND = new RegExp(
  `^X-Answer: (?:${Object.keys(BROKEN_RESPONSES).join('|')}|stream|large|no-length)\\r$`,
  'im',
)

/**
 * The sidecar in front of a backend that responds in every way; with PostgreSQL it also checks signatures. `program`: the
 * launcher of another build.
 */
export async function openProxyWorld(store: Store, program?: string): Promise<World> {
  const verify = store === 'postgres'
  const directory = mkdtempSync(join(tmpdir(), 'oncekey-fuzz-'))
  const [logFile, clientsFile] = [join(directory, 'log'), join(directory, 'clients.json')]
  writeFileSync(clientsFile, JSON.stringify(CLIENTS))
  const backend = await startOddBackend(BASE)
  const [database, redis] = await Promise.all([
    verify ? createDatabase() : undefined,
    verify ? undefined : startRedis(),
  ])
  const service = await startService(
    {
      ...(database === undefined ? {} : { DATABASE_URL: database.url }),
      ...(redis === undefined ? {} : { REDIS_URL: redis.url }),
      HMAC_SECRET: DEFAULT.secret,
      CLIENTS_FILE: clientsFile,
      LOG_FILE: logFile,
      LOG_LEVEL: 'trace',
    },
    [
      ...[
        'proxy',
        '--target',
        `http://127.0.0.1:${backend.port}${BASE}`,
        '--timeout',
        '1s',
        '--max-duration',
        '2s',
      ],
      ...(verify ? ['--verify'] : []),
    ],
    program,
  )
  const { port } = service
  const startText = service.log()
  const log = new LogWatch(logFile, ['backend_unreachable', 'backend_timeout'])
  let passedOn = 0
  let metrics: Scraped | undefined

  return {
    name: `sidecar, keys in ${store}${verify ? ', with --verify' : ''}`,
    port,
    grammar: proxyGrammar(verify),
    places: {
      logFile,
      metrics: { port, path: `${ADMIN_PREFIX}/metrics` },
      databaseUrl: database?.url,
      redisUrl: redis?.url,
    },
    judge: judgeProxied,
    expect() {},
    note({ responses }) {
      passedOn += responses.filter(({ header }) => header('x-backend') !== '').length
    },
    look() {
      const more = service.log().slice(startText.length)
      return [
        ...log.look(),
        ...backend.faults(),
        ...(more === '' ? [] : [`the sidecar wrote to its terminal: ${more}`]),
      ]
    },
    async check() {
      metrics = await metricFaults(port, `${ADMIN_PREFIX}/metrics`)
      const ready = await one(port, `GET ${ADMIN_PREFIX}/readyz HTTP/1.1\r\nHost: a\r\n\r\n`)
      return [...metrics.faults, ...(ready.status === 200 ? [] : [`it is not ready any more: ${ready.body}`])]
    },
    async figures() {
      const warnings = [...log.warnings].map(([text, count]) => `${count} x "${text}"`)
      return [
        `${backend.requests} requests reached the backend, ${passedOn} of its responses were passed on or replayed`,
        `${log.lines} log lines; ${metrics?.series} metric series`,
        ...(warnings.length === 0 ? [] : [`warnings in the log: ${warnings.join(', ')}`]),
      ]
    },
    async close() {
      await service.stop()
      log.close()
      backend.close()
      await Promise.all([database?.drop(), redis?.stop()])
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

function judgeProxied(sent: Sent, one: FuzzCase): string | undefined {
  const text = one.bytes.toString('latin1')
  const mayBeCut = UNSOUND.test(text)
  if (sent.fault !== undefined)
    return mayBeCut && sent.fault === 'a response is cut off' ? undefined : sent.fault
  if (sent.responses.length === 0 && !mayBeCut) {
    if (one.whole) return 'a whole request got no response'
    if (!sent.hungUp && text.trim() !== '') return 'the connection was ended without a response'
  }
  for (const response of sent.responses) {
    const fault = responseFault(response, one, text)
    if (fault !== undefined) return fault
  }
  return undefined
}

function responseFault(
  response: RawResponse,
  { head, unauthorized }: FuzzCase,
  text: string,
): string | undefined {
  const { status, headers, header, body } = response
  if (!/^[\w.-]{1,64}$/.test(header('x-request-id'))) return `no X-Request-Id with ${status}`
  if (headers.flat().join().includes(CANARY)) return 'a secret is in the response'
  if (header('x-poison') !== '') return 'a response that belongs to nobody was passed on'
  if (header('x-private') !== '') return 'a header of the connection to the backend was passed on'
  const from = header('x-backend')
  if (from !== '') {
    if (unauthorized) return `${status} of the backend for who has no right to it`
    const isOwn = from === 'none' || text.includes(from) || header('idempotent-replayed') === 'true'
    return isOwn ? undefined : `the response to another request: ${from}`
  }
  if (unauthorized && status < 400) return `${status} for who has no right to it`
  // What the backend sends without its name: 103 and then a response.
  if (status < 400 || head) return undefined
  if (status >= 500 && !OF_THE_BACKEND.has(status)) return `${status}: ${body}`
  return problemFault(response)
}
