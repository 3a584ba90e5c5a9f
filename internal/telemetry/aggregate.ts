import { AggregatorRegistry, type PrometheusContentType, type Registry } from 'prom-client'
import { z } from 'zod'

/** What one process counts, as `registry.getMetricsAsJSON()` tells it. */
export type Snapshot = z.infer<typeof snapshotSchema>

/** Parses a snapshot that came from another process; the values are prom-client's own business. */
export const snapshotSchema = z.array(z.looseObject({ name: z.string(), type: z.string() }))

/**
 * How gauges of several processes become one, where prom-client's own choice (a sum, or the average of the lag of event
 * loops) would hide what an operator looks for: one process that is stuck.
 */
const AGGREGATORS: Record<string, 'max' | 'min' | undefined> = {
  nodejs_eventloop_lag_seconds: 'max',
  nodejs_eventloop_lag_mean_seconds: 'max',
  nodejs_eventloop_lag_stddev_seconds: 'max',
  nodejs_eventloop_lag_p50_seconds: 'max',
  nodejs_eventloop_lag_p90_seconds: 'max',
  nodejs_eventloop_lag_p99_seconds: 'max',
  // Of the oldest: the service runs since then.
  process_start_time_seconds: 'min',
}

/** Several processes as one. A gauge tells by its `aggregator` how; everything else is added up. */
export function aggregate(snapshots: readonly Snapshot[]): Registry {
  const metrics = snapshots.map((snapshot) =>
    snapshot.map((metric) => {
      const aggregator = AGGREGATORS[metric.name]
      return aggregator === undefined ? metric : { ...metric, aggregator }
    }),
  )
  return AggregatorRegistry.aggregate<PrometheusContentType>(metrics)
}

/**
 * What remains of processes that have ended: what they counted. Without it a sum would fall when a process dies, and
 * Prometheus would take the rest for new events. Gauges end with their process.
 */
export async function remains(snapshots: readonly Snapshot[]): Promise<Snapshot> {
  const all = snapshotSchema.parse(await aggregate(snapshots).getMetricsAsJSON())
  return all.filter(({ type }) => type !== 'gauge')
}
