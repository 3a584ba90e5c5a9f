import assert from 'node:assert/strict'
import { until } from '../support/until.ts'
import { type AskResult, ask, isReplay, oneConnection } from './ask.ts'
import type { Inner } from './backend-kind.ts'
import { newKey, type Trial, type Verdict } from './cases.ts'

/** Responses that a process is killed in; `wait`: before it has begun to respond. */
export const KILLED_IN = ['wait', 'half-length', 'half-chunked', 'half-events', 'half-large'] as const
export type KilledIn = (typeof KILLED_IN)[number]

/** These go out as they come: their client must see that they were cut. */
const STREAMED: ReadonlySet<KilledIn> = new Set(['half-events', 'half-large'])

/** Without a length, a kill looks like the end where the server, or its protocol, makes it look so. */
export const MAY_LOOK_WHOLE: ReadonlySet<KilledIn> = new Set(['half-chunked', 'half-events'])

const LARGE_BODY = 104_857_600
const PATIENCE_MS = 60_000

interface Killed {
  path: KilledIn
  key: string
  told: AskResult
}

/**
 * Kills the backend, or what runs the requests in it, while it is in the middle of one response of each kind. Whatever
 * comes of it, no request is run again; the verdict tells what its client got.
 */
export async function killWithin(trial: Trial, inner: Inner | undefined): Promise<Map<KilledIn, Verdict>> {
  const { backend, url } = trial
  const asked = KILLED_IN.map((path) => ({ path, key: newKey() }))
  const post = (path: string, key: string) =>
    ask(`${url}/${path}`, { body: '{"amount":500}', headers: { 'Idempotency-Key': key } })
  const killing = Promise.all(
    asked.map(
      async ({ path, key }): Promise<Killed> => ({
        path,
        key,
        told: await post(path, key).catch(hungUp(path)),
      }),
    ),
  )
  killing.catch(() => {})
  await until(
    'all responses stand still in their middle',
    () => {
      const noted = new Set(backend.noted().map(({ what, key }) => `${what} ${key}`))
      return asked.every(({ path, key }) => noted.has(`${path === 'wait' ? 'run' : 'half'} ${key}`))
    },
    PATIENCE_MS,
  )
  if (inner === undefined) await backend.kill()
  else backend.killInner(inner)
  const killed = await killing
  await backend.kill()
  await backend.start()
  const verdicts = new Map<KilledIn, Verdict>()
  for (const { path, key, told } of killed) {
    const again = await post(path, key)
    verdicts.set(path, verdictOf(path, told, again))
    assert.equal(backend.runs(key).length, 1, `${path}: how often it was run`)
  }
  // What was killed takes nothing from those that come later.
  const after = await post('charge', newKey())
  assert.equal(after.status, 201, `after the kill: ${after.text}`)
  return verdicts
}

/** A stream may be cut before its head has left the sidecar. */
function hungUp(path: KilledIn) {
  return (error: Error): AskResult => {
    if (!STREAMED.has(path)) throw error
    return { status: 0, headers: {}, interim: [], text: '', bytes: 0, isX: true, whole: false, code: '' }
  }
}

function verdictOf(path: KilledIn, told: AskResult, again: AskResult): Verdict {
  const retry = `${again.status} ${again.code}`
  if (retry === '409 outcome_unknown') {
    // What went out as it came is not replayed, however it ended.
    if (told.whole && told.code === '' && STREAMED.has(path) && told.status < 500) return 'looks whole'
    // The first client gets a gateway's own 502; nothing is replayed.
    const knows = told.code === 'outcome_unknown' || told.status === 502 || told.status === 504
    assert.ok(
      knows || (STREAMED.has(path) && !told.whole),
      `${path}: ${told.status} ${told.text.slice(0, 200)}`,
    )
    return 'ok'
  }
  // A gateway, or the server around the program, responded in its place.
  assert.ok(told.whole, `${path}: cut, and then ${retry}`)
  assert.ok(isReplay(again) && again.status === told.status, `${path}: ${told.status}, and then ${retry}`)
  return told.status < 300 ? 'looks whole' : String(told.status)
}

/** A file of 100 MiB whose server is killed while it is on its way: its client sees that. */
export async function killWithinFile({ backend, url }: Trial): Promise<Verdict> {
  const agent = oneConnection()
  let killed = Promise.resolve()
  const told = await ask(`${url}/large`, {
    method: 'GET',
    agent,
    onBegun() {
      killed = backend.kill()
    },
  })
  await killed
  agent.destroy()
  await backend.start()
  assert.ok(!told.whole || told.bytes === LARGE_BODY, `${told.bytes} bytes look whole`)
  assert.equal((await ask(`${url}/charge`, { method: 'GET' })).status, 200)
  return told.whole ? 'was faster' : 'ok'
}
