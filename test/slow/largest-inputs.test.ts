import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  type LargeInput,
  largeBodies,
  largeHeaders,
  largeTargets,
  type Make,
} from '../support/largest-inputs.ts'
import { send } from '../support/order-client.ts'
import { startBackend, startProxy } from '../support/proxy.ts'
import { createDatabase, redisUrl, type TestDatabase } from '../support/servers.ts'
import { type Service, startService } from '../support/service.ts'

/** Requests in one measurement: for a glance, and with care. */
const FEW = 2
const MANY = 10
/** A collection of garbage, code that is compiled. */
const NOISE_MS = 1.5
const MOST_TIMES = 3
/** Something else may have been collected in between: the best of these counts. */
const MEASUREMENTS = 3

const closing: (() => unknown)[] = []
const t = { after: (close: () => unknown) => void closing.push(close) }
let database: TestDatabase
let service: Service
let sidecar: Service
before(async () => {
  database = await createDatabase()
  const limits = { RATE_LIMITS: 'client=1000000/60s,ip=1000000/60s', TRUST_PROXY: '1', LOG_LEVEL: 'error' }
  service = await startService({ ...limits, DATABASE_URL: database.url, SIMULATED_FAILURE_RATE: '0' })
  const backend = await startBackend(t, (res) => void res.end('ok'))
  sidecar = await startProxy(t, backend.url, ['--verify'], { ...limits, REDIS_URL: redisUrl })
})
after(async () => {
  await service.kill()
  await Promise.all(closing.map((close) => close()))
  await database.drop()
})

/** process.cpuUsage() of the process, in milliseconds. */
async function cpuMs(metrics: string): Promise<number> {
  const text = (await send(metrics)).body.toString()
  const seconds = ['user', 'system'].map((kind) => {
    const value = new RegExp(`^process_cpu_${kind}_seconds_total (\\S+)$`, 'm').exec(text)?.[1]
    return Number(value ?? assert.fail('there is no such metric'))
  })
  return seconds.reduce((sum, one) => sum + one * 1000, 0)
}

interface Meter {
  url: string
  metrics: string
  /** At the last reading. */
  lastMs: number
}

async function meterOf(url: string, metrics: string): Promise<Meter> {
  return { url, metrics, lastMs: await cpuMs(metrics) }
}

/** CPU of one such request, whatever its response is, and of its share of the reading. */
async function costMs(meter: Meter, make: Make, requests: number): Promise<number> {
  for (let n = 0; n < requests; n++) {
    const { path, body, ...request } = make()
    await send(meter.url + path, body === '' ? request : { ...request, body })
  }
  const nowMs = await cpuMs(meter.metrics)
  const tookMs = nowMs - meter.lastMs
  meter.lastMs = nowMs
  return tookMs / requests
}

const mostMs = (plainMs: number) => MOST_TIMES * plainMs + NOISE_MS

/** What is conspicuous at a glance is measured with care, beside the plain one: the best of several counts. */
async function fault(meter: Meter, { name, make, plain }: LargeInput): Promise<string | undefined> {
  let inputMs = Number.POSITIVE_INFINITY
  let plainMs = Number.POSITIVE_INFINITY
  for (let n = 0; n < MEASUREMENTS; n++) {
    plainMs = Math.min(plainMs, await costMs(meter, plain, MANY))
    inputMs = Math.min(inputMs, await costMs(meter, make, MANY))
    if (inputMs <= mostMs(plainMs)) return undefined
  }
  return `${name}: ${inputMs.toFixed(1)} ms, plain ${plainMs.toFixed(1)} ms`
}

async function checkCosts(meter: Meter, inputs: readonly LargeInput[]): Promise<void> {
  const plain = new Map<Make, number>()
  const faults: string[] = []
  for (const input of inputs) {
    const known = plain.get(input.plain) ?? (await costMs(meter, input.plain, FEW))
    plain.set(input.plain, known)
    if ((await costMs(meter, input.make, FEW)) <= mostMs(known)) continue
    const found = await fault(meter, input)
    if (found !== undefined) faults.push(found)
  }
  assert.deepEqual(faults, [])
}

describe('the largest input that a limit allows costs at most three times what a plain one of its size does', () => {
  for (const [what, inputs] of [
    ['headers', largeHeaders()],
    ['targets', largeTargets()],
    ['bodies', largeBodies()],
  ] as const) {
    test(`${what}, at the service`, async () => {
      await checkCosts(await meterOf(service.url, `${service.url}/metrics`), inputs)
    })
  }
  for (const [what, inputs] of [
    ['headers', largeHeaders()],
    ['targets', largeTargets()],
  ] as const) {
    test(`${what}, at the sidecar`, async () => {
      await checkCosts(await meterOf(sidecar.url, `${sidecar.url}/.oncekey/metrics`), inputs)
    })
  }
})
