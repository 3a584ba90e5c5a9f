/**
 * Returns a function that gives the milliseconds since this call, by the clock that advanced more: the monotonic clock stops
 * while a machine sleeps, and the wall clock may be set back. Use it for actions that must not happen too late. For a
 * wait that must not end early, use only `performance.now()`, because the wall clock may be set forward.
 */
export function stopwatch(monotonic: () => number = () => performance.now()): () => number {
  const [startMs, wallMs] = [monotonic(), Date.now()]
  return () => Math.max(monotonic() - startMs, Date.now() - wallMs)
}
