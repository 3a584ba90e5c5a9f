import type { Stage } from '../request-state.ts'

/** A stage whose code is loaded with the first request for it: what few people ask for costs the others nothing. */
export function onDemand(load: () => Promise<Stage>): Stage {
  let loaded: Promise<Stage> | undefined
  return async function onDemand(ctx, next) {
    loaded ??= load().catch((error: unknown) => {
      loaded = undefined
      throw error
    })
    const stage = await loaded
    await stage(ctx, next)
  }
}
