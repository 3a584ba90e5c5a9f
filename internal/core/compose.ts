import type { Middleware, MiddlewareContext } from './request-state.ts'

/** Runs before the following middleware. Returns a promise only if it has to wait. */
export type Step = (ctx: MiddlewareContext) => Promise<void> | undefined

/**
 * Runs after the following middleware, if its step did not throw, also after an error. It gets the error of the following
 * middleware, or undefined, and returns the error to throw, or undefined. Returns a promise only if it has to wait.
 */
export type Back = (ctx: MiddlewareContext, thrown: unknown) => unknown

/** A step as Koa middleware, which can be mounted alone. `compose` runs its `step` and `back` without a promise. */
export type StepMiddleware = Middleware & { readonly step: Step; readonly back?: Back | undefined }

/** Creates middleware from a step and an optional `back`. */
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
  // Koa prints this name in debug output.
  Object.defineProperty(middleware, 'name', { value: step.name })
  return Object.assign(middleware, { step, back })
}

function isStep(middleware: Middleware): middleware is StepMiddleware {
  return 'step' in middleware
}

/** Replaces a thrown null or undefined by an Error, because undefined means that nothing was thrown. */
function something(thrown: unknown): unknown {
  return thrown ?? new Error(`${thrown} was thrown`)
}

/** Middleware that runs one of several composed middlewares, or the next one. `compose` runs it without a promise. */
type ForkMiddleware = Middleware & { readonly find: Find }
type Find = (ctx: MiddlewareContext) => Composed | undefined

/** The result of `compose`. */
export type Composed = Middleware & { readonly way: Way }

/** Runs the middleware that `find` returns, or the next one. */
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
 * Composes middlewares into one with the same behaviour. Consecutive steps, also those of a fork, run in one function:
 * otherwise each has functions, promises and a frame that live as long as the request, which costs garbage collection.
 * Other middleware is called as Koa calls it.
 */
export function compose(middlewares: readonly Middleware[]): Composed {
  const way = wayOf(middlewares)
  const { steps, backs, onward } = way
  // Without steps no further promise is needed.
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
  /** The `back` of each step, by the index of the step. */
  backs: readonly (Back | undefined)[]
  /** Finds the branch after the steps, if they end with a fork. */
  find: Find | undefined
  /** The cached ways of branches, each including these steps. */
  branches: Map<Composed, Way>
  /** Runs the middleware after the steps. */
  onward: Onward
  /** The middleware after the fork, for a branch that calls next(). */
  behind: Onward | undefined
}

/** Never throws but rejects, like `next()` of Koa. */
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
        // The last middleware may return undefined.
        return Promise.resolve(around(ctx, behind === undefined ? next : () => behind(ctx, next)))
      } catch (error) {
        return Promise.reject(error)
      }
    },
    behind,
  }
}

/** The way of the branch for this request, including the steps before the fork; undefined without a branch. */
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

/** Runs the steps and backs of one request, with one object and one promise for all of them. */
class Passage {
  #way: Way
  readonly #ctx: MiddlewareContext
  readonly #next: () => Promise<unknown>
  readonly #resolve: (value: undefined) => void
  readonly #reject: (error: unknown) => void
  /** The number of completed steps whose `back` has not run yet. */
  #inside = 0
  // Created once for each request, and used for each wait.
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

/** The number of StepMiddlewares at the start of the list. */
function countOfSteps(middlewares: readonly Middleware[]): number {
  const first = middlewares.findIndex((middleware) => !isStep(middleware))
  return first < 0 ? middlewares.length : first
}
