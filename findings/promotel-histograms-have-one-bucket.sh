#!/usr/bin/env bash
# @platformatic/promotel 0.2.2: of a histogram only the bucket of +Inf arrives, and a series with a brace in a label does not arrive.
#
# Guess: the metrics of prom-client become the same metrics of OpenTelemetry: a histogram with its bounds, each bucket with its own
#   count; a gauge as a gauge; each label value as it is.
# What happens: the text of the registry has a line for each bucket, and each one replaces those before it. The histogram that arrives
#   has no bounds and one bucket with all requests. A line whose label has a `}`, such as route="/orders/{id}", is skipped without an
#   error, be it a bucket or a counter. A gauge whose name ends with _count becomes a histogram under a shorter name, with the value
#   as the number of requests. A value that is not finite is skipped, and no point has a start time.
# Why it matters: the backend shows rates and averages that are right, and each percentile is unknown or the same; the routes with a
#   parameter, which are those that take money, have no metric, so that an alert on their errors never fires.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts @platformatic/promotel@0.2.2 prom-client@15.1.3
cat >find.js <<'JS'
import { convert, getFromRegistry } from '@platformatic/promotel'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'

const registers = [new Registry()]
const seconds = new Histogram({ name: 'request_seconds', help: 'Duration', labelNames: ['route'], buckets: [0.1, 1, 5], registers })
const errors = new Counter({ name: 'errors_total', help: 'Errors', labelNames: ['route'], registers })
for (const route of ['/orders', '/orders/{id}']) {
  for (const value of [0.05, 0.05, 0.5, 3, 9]) seconds.observe({ route }, value)
  errors.inc({ route }, 3)
}
new Gauge({ name: 'jobs_count', help: 'Jobs that wait', registers }).set(7)
new Gauge({ name: 'lag_seconds', help: 'Lag', registers }).set(Infinity)

const text = await registers[0].metrics()
console.log(`prom-client: ${text.split('\n').filter((line) => /^\w/.test(line)).length} lines`)
const { resource_metrics: [{ scope_metrics: [{ metrics }] }] } = convert(await getFromRegistry({ registry: registers[0] }))
for (const { name, ...kinds } of metrics) {
  const kind = ['histogram', 'sum', 'gauge'].find((key) => kinds[key])
  for (const point of kinds[kind].data_points) {
    const labels = point.attributes.map(({ key, value }) => `${key}=${value.string_value}`).join()
    const value = kind === 'histogram' ? `count ${point.count}, bounds [${point.explicit_bounds}], buckets [${point.bucket_counts}]` : point.as_double
    console.log(`${kind} ${name}{${labels}}: ${value}, start ${point.start_time_unix_nano}`)
  }
}
JS
node find.js | tee output
diff output - <<'EXPECTED'
prom-client: 16 lines
histogram request_seconds{route=/orders}: count 5, bounds [], buckets [5], start undefined
sum errors_total{route=/orders}: 3, start undefined
histogram jobs{}: count 7, bounds [], buckets [], start undefined
EXPECTED
