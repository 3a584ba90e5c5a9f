import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PLAIN_PREFIX } from '../../internal/database/deployment.ts'
import { one } from '../support/raw-http.ts'
import { signedGet } from '../support/raw-order.ts'
import { createDatabase, freePort, startRedis } from '../support/servers.ts'
import { startService } from '../support/service.ts'
import { ExpectedEffects } from './expected-effects.ts'
import { judge } from './judge.ts'
import { metricFaults, type Scraped } from './metric-faults.ts'
import { CANARY, CLIENTS, OPERATOR_TOKEN, QUOTA, SETTINGS, VICTIM, VICTIM_PAYER } from './parties.ts'
import { readEffects } from './read-effects.ts'
import { servicePart } from './service-grammar.ts'
import { LogWatch } from './watch-log.ts'
import type { Store, World } from './world.ts'

/**
 * The service with all its routes. With Redis as in production; without it in demo mode, where everybody may use /pay
 * and /api/v1/simulate-concurrent. `program`: the launcher of another build.
 */
export async function openServiceWorld(store: Store, program?: string): Promise<World> {
  const isOpen = store === 'postgres'
  const directory = mkdtempSync(join(tmpdir(), 'oncekey-fuzz-'))
  const [logFile, clientsFile] = [join(directory, 'log'), join(directory, 'clients.json')]
  writeFileSync(clientsFile, JSON.stringify(CLIENTS))
  const [database, redis, metricsPort] = await Promise.all([
    createDatabase(),
    isOpen ? undefined : startRedis(),
    freePort(),
  ])
  const settings = {
    ...SETTINGS,
    DATABASE_URL: database.url,
    CLIENTS_FILE: clientsFile,
    OPERATOR_TOKEN,
    HOST: '127.0.0.1',
    LOG_FILE: logFile,
    LOG_LEVEL: 'trace',
    SIMULATED_FAILURE_RATE: '0',
    SIMULATED_GATEWAY: 'delay=1ms,decline=0,failure=0,seed=1',
    ...(redis === undefined
      ? {}
      : {
          REDIS_URL: redis.url,
          REDIS_PREFIX: PLAIN_PREFIX,
          NODE_ENV: 'production',
          METRICS_PORT: String(metricsPort),
        }),
  }
  const service = await startService(settings, ['serve'], program)
  const { port } = service
  const startText = service.log()
  const log = new LogWatch(logFile)
  const expected = new ExpectedEffects()
  const usedBefore = await used(port)
  /** Responses that say where a limit stands: each has used one of the quota. */
  let limited = 0
  /** Of these it is not known whether they got as far as the limits. */
  let uncertain = 0
  let halfway: Scraped | undefined

  return {
    name: `service, keys in ${store}, ${isOpen ? 'demo mode' : 'production mode'}`,
    port,
    grammar: servicePart,
    places: {
      logFile,
      metrics: { port: isOpen ? port : metricsPort, path: '/metrics' },
      databaseUrl: database.url,
      redisUrl: redis?.url,
    },
    judge(sent, one) {
      // What a mutation leaves without credentials is a payment without a caller there.
      const mayPay = isOpen && one.mutated
      return judge(sent, mayPay ? { ...one, unauthorized: false } : one)
    },
    expect: (one) => expected.add(one.intents),
    note(sent, one) {
      const peeks = one.bytes.includes('rate-limits')
      const counted = sent.responses.filter(({ header }) => header('x-ratelimit-limit') !== '').length
      if (!peeks) limited += counted
      if (sent.hungUp || sent.responses.length !== one.requests || (peeks && one.kind === 'pipelined'))
        uncertain += 4
    },
    look() {
      const more = service.log().slice(startText.length)
      return [...log.look(), ...(more === '' ? [] : [`the service wrote to its terminal: ${more}`])]
    },
    async check() {
      const at = isOpen ? port : metricsPort
      halfway = await metricFaults(at, '/metrics')
      const faults = [...halfway.faults]
      const ready = await one(port, 'GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n')
      if (ready.status !== 200) faults.push(`it is not ready any more: ${ready.body}`)
      const usedNow = (await used(port)).global - usedBefore.global
      if (usedNow < limited || usedNow > limited + uncertain) {
        faults.push(`${usedNow} of the quota are used by ${limited} to ${limited + uncertain} requests`)
      }
      for (const [name, left] of Object.entries(await leftOfVictims(port))) {
        if (left !== QUOTA)
          faults.push(`somebody without credentials used the quota of ${name}: ${left} are left`)
      }
      const effects = await readEffects(database.url, redis?.url)
      if (effects.text.includes(CANARY)) faults.push('a secret is in the audit trail or in a stored response')
      return [...faults, ...effects.unknownClients(isOpen), ...expected.faultsOf(effects.orders)]
    },
    async figures() {
      const { orders, payments, keys, auditEntries } = await readEffects(database.url, redis?.url)
      const warnings = [...log.warnings].map(([text, count]) => `${count} x "${text}"`)
      return [
        `${orders.length} orders, ${payments} payments, ${keys} keys, ${auditEntries} audit entries, all signed or paid for`,
        `${limited} requests used quota; ${log.lines} log lines; ${halfway?.series} metric series`,
        ...(warnings.length === 0 ? [] : [`warnings in the log: ${warnings.join(', ')}`]),
      ]
    },
    async close() {
      await service.stop()
      log.close()
      await Promise.all([database.drop(), redis?.stop()])
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

async function used(port: number): Promise<{ global: number }> {
  return { global: QUOTA - (await left(port, 'global', payerGet())) }
}

async function leftOfVictims(port: number): Promise<Record<string, number>> {
  return {
    [VICTIM_PAYER.user]: await left(port, 'client', payerGet()),
    victim: await left(port, 'client', signedGet('/api/v1/rate-limits', VICTIM)),
  }
}

function payerGet(): string {
  return `GET /api/v1/rate-limits HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${VICTIM_PAYER.key}\r\n\r\n`
}

async function left(port: number, scope: string, bytes: string | Buffer): Promise<number> {
  const { body } = await one(port, bytes)
  const { limits } = JSON.parse(body)
  return limits.find((limit: { scope: string }) => limit.scope === scope)?.remaining
}
