import { type VirtualTime, VirtualTimer } from './virtual-time.ts'

/**
 * Runs `work` with the clocks, timers and random numbers of this process replaced by those of `time`, as the actor sees
 * them whose turn it is. What the service measures and waits with is in there, and in the libraries it uses; so the
 * service under test is the one that is shipped. One at a time.
 */
export async function underVirtualTime<T>(time: VirtualTime, work: () => Promise<T>): Promise<T> {
  if (active !== undefined) throw new Error('there is one clock for the whole process')
  active = time
  const undo = [
    replace(globalThis, 'setTimeout', (run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) =>
      time.at(time.current, ms, () => run(...args)),
    ),
    replace(globalThis, 'clearTimeout', (timer: unknown) => {
      if (timer instanceof VirtualTimer) timer.run = undefined
    }),
    replace(Date, 'now', () => time.nowMs + time.current.skewMs),
    replace(performance, 'now', () => time.elapsedMs),
    replace(Math, 'random', time.random),
    replace(AbortSignal, 'timeout', (ms: number) => {
      const controller = new AbortController()
      time.at(time.current, ms, () => controller.abort(new DOMException('timed out', 'TimeoutError')))
      return controller.signal
    }),
  ]
  try {
    return await work()
  } finally {
    for (const one of undo) one()
    active = undefined
  }
}

let active: VirtualTime | undefined

function replace(of: object, name: string, value: unknown): () => void {
  const before = Object.getOwnPropertyDescriptor(of, name)
  Object.defineProperty(of, name, { configurable: true, writable: true, value })
  return () => {
    if (before === undefined) Reflect.deleteProperty(of, name)
    else Object.defineProperty(of, name, before)
  }
}
