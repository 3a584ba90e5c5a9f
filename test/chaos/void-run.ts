/** A run that cannot go on, for a reason that says nothing about the product: exit code 3, with the reason. */
export class VoidRun extends Error {}

/** Rejects with VoidRun when the work has not ended by then: nothing that a run waits for may hang it. */
export async function endsWithin<T>(work: Promise<T>, ms: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const error = new VoidRun(`${what} did not end within ${Math.round(ms / 1_000)} s`)
    timer = setTimeout(() => reject(error), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
