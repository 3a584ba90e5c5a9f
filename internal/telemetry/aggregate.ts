import { AggregatorRegistry, type PrometheusContentType, type Registry } from 'prom-client'
import { z } from 'zod'

/** What one process counts, as `registry.getMetricsAsJSON()` tells it. */
export type Snapshot = z.infer<typeof snapshotSchema>

/** Parses a snapshot that came from another process; the values are prom-client's own business. */
export const snapshotSchema = z.array(z.looseObject({ name: z.string(), type: z.string() }))

/** Gauges of several processes for which the sum or average of prom-client would hide one process that is stuck. */
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

/** The counts of processes that have ended: a sum that falls would look like new events. Gauges end with their process. */
export async function remains(snapshots: readonly Snapshot[]): Promise<Snapshot> {
  const all = snapshotSchema.parse(await aggregate(snapshots).getMetricsAsJSON())
  return all.filter(({ type }) => type !== 'gauge')
}
