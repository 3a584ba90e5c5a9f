import type { Middleware, Trace } from '../core/request-state.ts'
import type { Received } from './trace.ts'

/** Makes spans. Implemented for OpenTelemetry. */
export interface Spans {
  /** Runs `work` within the span of a request, a child of the span of the caller; spans begun in it are its children. */
  request(received: Received | undefined, work: (trace: Trace) => Promise<RequestEnd>): Promise<void>
  /** Begins a child span. The returned function ends it, with the error if there is one; later calls do nothing. */
  begin(name: string): (error?: unknown) => void
  /** Exports what is left, within a second or two. */
  close(): Promise<void>
}

export interface RequestEnd {
  method: string
  route: string
  status: number
  requestId: string | undefined
}

/** Adds spans to middleware and methods. */
export interface Traced {
  /** A span for the time of the middleware up to the next one. */
  middleware(name: string, middleware: Middleware): Middleware
  /** Spans for these methods, by name. */
  calls<T extends object>(target: T, names: Readonly<Record<string, string>>): T
}

/** Without spans nothing is wrapped. */
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
