import type { Middleware, Trace } from '../core/request-state.ts'
import type { Received } from './trace-context.ts'

/** What makes spans. Only OpenTelemetry does; where there is none, nothing of this is called. */
export interface Spans {
  /** Runs `work` within the span of a request, a child of the span of the caller; spans begun in it are its children. */
  request(received: Received | undefined, work: (trace: Trace) => Promise<RequestEnd>): Promise<void>
  /** Begins a span in the one around it; the function ends it, with the error if it failed. Later calls do nothing. */
  begin(name: string): (error?: unknown) => void
  /** Sends what waits to be sent, within a second or two. */
  close(): Promise<void>
}

/** What is known of a request at its end. */
export interface RequestEnd {
  method: string
  route: string
  status: number
  requestId: string | undefined
}

/** Wraps the parts of a pipeline, so that they need not know of spans. */
export interface Traced {
  /** The middleware's own time, up to the middleware behind it. */
  middleware(name: string, middleware: Middleware): Middleware
  /** The time of these methods, by the names of their spans. */
  calls<T extends object>(target: T, names: Readonly<Record<string, string>>): T
}

/** Without spans each part stays what it is, and costs what it cost. */
export function traced(spans: Spans | undefined): Traced {
  if (spans === undefined) return { middleware: (_, middleware) => middleware, calls: (target) => target }
  return {
    middleware(name, middleware) {
      return async function traced(ctx, next) {
        const end = spans.begin(name)
        try {
          await middleware(ctx, () => {
            end()
            return next()
          })
          end()
        } catch (error) {
          end(error)
          throw error
        }
      }
    },
    calls(target, names) {
      return new Proxy(target, {
        get(_, property) {
          const value: unknown = Reflect.get(target, property)
          const name = typeof property === 'string' ? names[property] : undefined
          if (typeof value !== 'function' || name === undefined) return value
          return (...args: unknown[]) => timed(spans, name, () => Reflect.apply(value, target, args))
        },
      })
    },
  }
}

async function timed(spans: Spans, name: string, call: () => unknown): Promise<unknown> {
  const end = spans.begin(name)
  try {
    const result = await call()
    end()
    return result
  } catch (error) {
    end(error)
    throw error
  }
}
