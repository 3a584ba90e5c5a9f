import type { Middleware, MiddlewareContext } from './request-state.ts'

/** What a request passes on its way in. It returns a promise only when it has to wait for something. */
export type Step = (ctx: MiddlewareContext) => Promise<void> | undefined

/**
 * What a request passes on its way back, once its step has let it in, whatever becomes of it behind that. It gets what was
 * thrown there, undefined if nothing was, and returns what is thrown from here on. It returns a promise only when it has to
 * wait for something.
 */
export type Back = (ctx: MiddlewareContext, thrown: unknown) => unknown

/** A step as middleware of Koa, so that it can be mounted alone. `compose` runs its `step` and `back` without a promise. */
export type StepMiddleware = Middleware & { readonly step: Step; readonly back?: Back | undefined }

/** Makes middleware of a step, and of what there is to do after the middleware that follows. */
export function middleware(step: Step, back?: Back): StepMiddleware {
  const middleware: Middleware = async (ctx, next) => {
    await step(ctx)
    if (back === undefined) return await next()
    let thrown: unknown
    try {
      await next()
    } catch (error) {
      thrown = something(error)
    }
    const left = await back(ctx, thrown)
    if (left !== undefined) throw left
  }
  // Koa prints this name when it debugs.
  Object.defineProperty(middleware, 'name', { value: step.name })
  return Object.assign(middleware, { step, back })
}

function isStep(middleware: Middleware): middleware is StepMiddleware {
  return 'step' in middleware
}

/** `undefined` stands for nothing that was thrown. */
function something(thrown: unknown): unknown {
  return thrown ?? new Error(`${thrown} was thrown`)
}

/** Middleware that runs one of several composed ones, or what follows. `compose` goes on with it without a promise. */
type ForkMiddleware = Middleware & { readonly find: Find }
type Find = (ctx: MiddlewareContext) => Composed | undefined

/** What `compose` makes. */
export type Composed = Middleware & { readonly way: Way }

/** Runs what `find` returns, or what follows. */
export function fork(find: Find): Middleware {
  const fork: Middleware = (ctx, next) => {
    const found = find(ctx)
    return found === undefined ? next() : found(ctx, next)
  }
  return Object.assign(fork, { find })
}

function isFork(middleware: Middleware): middleware is ForkMiddleware {
  return 'find' in middleware
}

/**
 * One middleware that does the same as these one by one. Steps that follow each other, also those of a fork, run in one
 * function: each would otherwise have functions, promises and a frame of its own that live as long as the request, and the
 * garbage collector copies what lives long. Middleware that surrounds what follows it is called as Koa calls it.
 */
export function compose(middlewares: readonly Middleware[]): Composed {
  const way = wayOf(middlewares)
  const { steps, backs, onward } = way
  // With nothing to wait for it needs no promise of its own.
  if (steps.length === 0) return Object.assign(onward, { way })
  if (way.find !== undefined || backs.some((back) => back !== undefined)) {
    const compose: Middleware = (ctx, next) =>
      new Promise((resolve, reject) => new Passage(way, ctx, next, resolve, reject).go())
    return Object.assign(compose, { way })
  }
  // Not an async function: its frame would live as long as the request.
  const walk = (ctx: MiddlewareContext, next: () => Promise<unknown>, first: number): Promise<unknown> => {
    for (let at = first; at < steps.length; at++) {
      const work = steps[at]?.(ctx)
      if (work !== undefined) return work.then(() => walk(ctx, next, at + 1))
    }
    return onward(ctx, next)
  }
  const composed: Middleware = (ctx, next) => {
    try {
      return walk(ctx, next, 0)
    } catch (error) {
      return Promise.reject(error)
    }
  }
  return Object.assign(composed, { way })
}

interface Way {
  steps: readonly Step[]
  /** At the places of their steps. */
  backs: readonly (Back | undefined)[]
  /** The branch behind the steps, or what follows. */
  find: Find | undefined
  /** The ways of the branches that were found, each from the first of these steps. */
  branches: Map<Composed, Way>
  /** What follows the steps. */
  onward: Onward
  /** Where a branch goes on that goes on. */
  behind: Onward | undefined
}

/** Never throws: middleware may rely on the promise of `next()`, as of Koa's. */
type Onward = (ctx: MiddlewareContext, next: () => Promise<unknown>) => Promise<unknown>

function wayOf(middlewares: readonly Middleware[]): Way {
  const count = countOfSteps(middlewares)
  const first = middlewares.slice(0, count).filter(isStep)
  const around = middlewares[count]
  const rest = middlewares.slice(count + 1)
  const behind = rest.length === 0 ? undefined : compose(rest)
  return {
    steps: first.map(({ step }) => step),
    backs: first.map(({ back }) => back),
    find: around !== undefined && isFork(around) ? around.find : undefined,
    branches: new Map(),
    onward(ctx, next) {
      if (around === undefined) return next()
      try {
        // The last one may return nothing.
        return Promise.resolve(around(ctx, behind === undefined ? next : () => behind(ctx, next)))
      } catch (error) {
        return Promise.reject(error)
      }
    },
    behind,
  }
}

/** The way of a branch, from the first step of the way that leads to it; undefined: there is none. */
function branchOf(way: Way, ctx: MiddlewareContext): Way | undefined {
  const found = way.find?.(ctx)
  if (found === undefined) return undefined
  const known = way.branches.get(found)
  if (known !== undefined) return known
  const { steps, backs, find, onward, behind } = found.way
  const branch: Way = {
    steps: [...way.steps, ...steps],
    backs: [...way.backs, ...backs],
    find,
    branches: new Map(),
    onward: followedBy(onward, way.behind),
    behind: behind === undefined ? way.behind : followedBy(behind, way.behind),
  }
  way.branches.set(found, branch)
  return branch
}

function followedBy(first: Onward, second: Onward | undefined): Onward {
  return second === undefined ? first : (ctx, next) => first(ctx, () => second(ctx, next))
}

/** A request on its way in and back. One object and one promise for all steps, whatever they wait for. */
class Passage {
  #way: Way
  readonly #ctx: MiddlewareContext
  readonly #next: () => Promise<unknown>
  readonly #resolve: (value: undefined) => void
  readonly #reject: (error: unknown) => void
  /** So many steps have let it in and are not passed on the way back. */
  #inside = 0
  // Made once: it waits several times.
  readonly #letIn = () => {
    this.#inside++
    this.go()
  }
  readonly #done = () => this.#back(undefined)
  readonly #failed = (error: unknown) => this.#back(something(error))

  constructor(
    way: Way,
    ctx: MiddlewareContext,
    next: () => Promise<unknown>,
    resolve: (value: undefined) => void,
    reject: (error: unknown) => void,
  ) {
    this.#way = way
    this.#ctx = ctx
    this.#next = next
    this.#resolve = resolve
    this.#reject = reject
  }

  go(): void {
    try {
      for (;;) {
        const { steps } = this.#way
        while (this.#inside < steps.length) {
          const work = steps[this.#inside]?.(this.#ctx)
          if (work !== undefined) {
            work.then(this.#letIn, this.#failed)
            return
          }
          this.#inside++
        }
        const branch = branchOf(this.#way, this.#ctx)
        if (branch === undefined) break
        this.#way = branch
      }
      this.#way.onward(this.#ctx, this.#next).then(this.#done, this.#failed)
    } catch (error) {
      this.#back(something(error))
    }
  }

  #back(first: unknown): void {
    let thrown = first
    while (this.#inside > 0) {
      this.#inside--
      const back = this.#way.backs[this.#inside]
      if (back === undefined) continue
      try {
        const left = back(this.#ctx, thrown)
        if (left instanceof Promise) {
          left.then((later: unknown) => this.#back(later), this.#failed)
          return
        }
        thrown = left
      } catch (error) {
        thrown = something(error)
      }
    }
    if (thrown === undefined) this.#resolve(undefined)
    else this.#reject(thrown)
  }
}

/** How many of the first middlewares are nothing but their step, and their way back. */
function countOfSteps(middlewares: readonly Middleware[]): number {
  const first = middlewares.findIndex((middleware) => !isStep(middleware))
  return first < 0 ? middlewares.length : first
}
