import { AggregatorRegistry, type PrometheusContentType, type Registry } from 'prom-client'
import { z } from 'zod'

/** The metrics of one process, as of `registry.getMetricsAsJSON()`. */
export type Snapshot = z.infer<typeof snapshotSchema>

/** A snapshot from another process; the values are those of prom-client. */
export const snapshotSchema = z.array(z.looseObject({ name: z.string(), type: z.string() }))

/** Gauges of several processes for which the sum or average of prom-client would hide one process that is stuck. */
const AGGREGATORS: Record<string, 'max' | 'min' | undefined> = {
  nodejs_eventloop_lag_seconds: 'max',
  nodejs_eventloop_lag_mean_seconds: 'max',
  nodejs_eventloop_lag_stddev_seconds: 'max',
  nodejs_eventloop_lag_p50_seconds: 'max',
  nodejs_eventloop_lag_p90_seconds: 'max',
  nodejs_eventloop_lag_p99_seconds: 'max',
  // That of the oldest process.
  process_start_time_seconds: 'min',
}

/** Several processes as one: gauges by their `aggregator`, all others are added up. */
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
