/**
 * Starts to measure, and returns how many milliseconds have passed since then, by the clock that went further: the
 * monotonic one stands still while a machine sleeps, the wall clock may be set back. For what must not happen after its
 * time. What must not end early either, as a wait, goes by `performance.now()` alone: the wall clock may be set forward.
 */
export function stopwatch(monotonic: () => number = () => performance.now()): () => number {
  const [startMs, wallMs] = [monotonic(), Date.now()]
  return () => Math.max(monotonic() - startMs, Date.now() - wallMs)
}
