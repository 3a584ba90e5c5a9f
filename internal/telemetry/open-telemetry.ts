import type * as Api from '@opentelemetry/api'
import type { Trace } from '../core/request-state.ts'
import { ServiceError } from '../core/service-error.ts'
import type { RequestEnd, Spans } from './spans.ts'
import type { Received } from './trace.ts'

export interface OpenTelemetryOptions {
  version: string
  /** Called when spans cannot be exported; at most once a minute. */
  onTrouble: (reason: string) => void
}

/** At a stop: the exporter of OpenTelemetry gives up after 10 s only. */
const CLOSE_MS = 2_000
const TROUBLE_EVERY_MS = 60_000
/** Longer reasons are bodies of responses. */
const MAX_REASON = 200

/**
 * Spans through OpenTelemetry: with a registered provider, else with its SDK and the OTEL_* variables. Throws a plain
 * Error that names a missing package. undefined: nothing is exported.
 */
export async function openTelemetry(options: OpenTelemetryOptions): Promise<Spans | undefined> {
  const api = await load('@opentelemetry/api', () => import('@opentelemetry/api'))
  const tracer = api.trace.getTracer('oncekey', options.version)
  const stop = isRegistered(api, tracer) ? async () => {} : await startSdk(api, options)
  return isRegistered(api, tracer) ? new OpenTelemetrySpans(api, tracer, stop) : undefined
}

async function load<T>(name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND')) throw error
    throw new Error(
      `tracing needs the package ${name}: run "npm install @opentelemetry/api @opentelemetry/sdk-node", or set TRACING=off`,
    )
  }
}

/** Without a provider spans have no ids. This span is never ended, so that it is not exported. */
function isRegistered(api: typeof Api, tracer: Api.Tracer): boolean {
  return api.isSpanContextValid(tracer.startSpan('probe').spanContext())
}

async function startSdk(
  api: typeof Api,
  { version, onTrouble }: OpenTelemetryOptions,
): Promise<() => Promise<void>> {
  const { NodeSDK, resources } = await load(
    '@opentelemetry/sdk-node',
    () => import('@opentelemetry/sdk-node'),
  )
  let toldMs = Number.NEGATIVE_INFINITY
  const tell = (message: string) => {
    if (performance.now() - toldMs < TROUBLE_EVERY_MS) return
    toldMs = performance.now()
    onTrouble(message.slice(0, MAX_REASON))
  }
  const silent = () => {}
  api.diag.setLogger(
    { error: tell, warn: tell, info: silent, debug: silent, verbose: silent },
    { logLevel: api.DiagLogLevel.WARN, suppressOverrideMessage: true },
  )
  const sdk = new NodeSDK({
    // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES come before these.
    resource: resources
      .defaultResource()
      .merge(resources.resourceFromAttributes({ 'service.name': 'oncekey', 'service.version': version })),
    // Not the process: its command line may hold secrets.
    resourceDetectors: [resources.envDetector, resources.hostDetector],
    // Metrics and logs are not exported by it.
    metricReaders: [],
    logRecordProcessors: [],
  })
  sdk.start()
  return () => sdk.shutdown()
}

class OpenTelemetrySpans implements Spans {
  readonly #api: typeof Api
  readonly #tracer: Api.Tracer
  readonly #stop: () => Promise<void>

  constructor(api: typeof Api, tracer: Api.Tracer, stop: () => Promise<void>) {
    this.#api = api
    this.#tracer = tracer
    this.#stop = stop
  }

  async request(received: Received | undefined, work: (trace: Trace) => Promise<RequestEnd>): Promise<void> {
    const { context, trace, SpanKind, SpanStatusCode } = this.#api
    const span = this.#tracer.startSpan('request', { kind: SpanKind.SERVER }, this.#remote(received))
    try {
      const end = await context.with(trace.setSpan(context.active(), span), () =>
        work(traceOf(this.#api, span, received)),
      )
      span.updateName(`${end.method} ${end.route}`)
      span.setAttributes({
        'http.request.method': end.method,
        'http.route': end.route,
        'http.response.status_code': end.status,
        ...(end.requestId === undefined ? {} : { 'oncekey.request_id': end.requestId }),
      })
      if (end.status >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
    } finally {
      span.end()
    }
  }

  begin(name: string): (error?: unknown) => void {
    const span = this.#tracer.startSpan(name)
    let ended = false
    return (error) => {
      if (ended) return
      ended = true
      if (error !== undefined) {
        span.setAttribute('error.type', errorType(error))
        span.setStatus({ code: this.#api.SpanStatusCode.ERROR })
      }
      span.end()
    }
  }

  async close(): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_MS)
    })
    await Promise.race([this.#stop().catch(() => {}), late])
    clearTimeout(timer)
  }

  #remote(received: Received | undefined): Api.Context {
    const { ROOT_CONTEXT, TraceFlags, createTraceState, trace } = this.#api
    if (received === undefined) return ROOT_CONTEXT
    const { traceId, parentSpanId, sampled, tracestate } = received
    return trace.setSpanContext(ROOT_CONTEXT, {
      traceId,
      spanId: parentSpanId,
      traceFlags: sampled ? TraceFlags.SAMPLED : TraceFlags.NONE,
      isRemote: true,
      ...(tracestate === undefined ? {} : { traceState: createTraceState(tracestate) }),
    })
  }
}

function traceOf(api: typeof Api, span: Api.Span, received: Received | undefined): Trace {
  const { traceId, spanId, traceFlags, traceState } = span.spanContext()
  const tracestate = traceState?.serialize()
  return {
    traceId,
    spanId,
    ...(received === undefined ? {} : { parentSpanId: received.parentSpanId }),
    sampled: (traceFlags & api.TraceFlags.SAMPLED) === api.TraceFlags.SAMPLED,
    ...(tracestate ? { tracestate } : {}),
    recorded: span.isRecording(),
  }
}

/** A code or a class: messages may hold data of a client. */
function errorType(error: unknown): string {
  if (error instanceof ServiceError) return error.code
  return error instanceof Error ? error.name : typeof error
}
