#!/usr/bin/env bash
# @opentelemetry/exporter-prometheus 0.223.0: one metric with the attributes http.route and http_route, and Prometheus 2.42.0
# (Debian 12) takes no metric of the process any more.
#
# Guess: dots become underscores. Where two attributes get the same name, the specification of OpenTelemetry says what becomes
#   of them: one label with both values, joined by ";" (Prometheus compatibility, "Metric Attributes"). At worst that
#   metric is refused.
# What happens: the exporter writes both labels with the same name. Prometheus refuses the whole response, "label name is not unique",
#   and the target is down: the metrics of all libraries of the process are gone, and `up` is 0 as if the process were dead. The
#   same with attributes of the resource: OTEL_RESOURCE_ATTRIBUTES=service_name=orders beside service.name, which is always
#   there, is enough, before any metric is recorded.
# Why it matters: the names with underscores are what one sees in Prometheus, so that they get into code and settings. One rare call
#   with both takes the monitoring down until the process starts again, and alerts on its metrics no longer fire.
# Needs apt-get of Debian 12, Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
trap 'kill ${pids:-} 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts @opentelemetry/exporter-prometheus@0.223.0 \
  @opentelemetry/sdk-metrics@2.12.1 @opentelemetry/resources@2.12.0 @opentelemetry/api@1.9.1
apt-get download -q prometheus 2>&1 | grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done
cat >serve.js <<'JS'
import { writeFileSync } from 'node:fs'
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus'
import { defaultResource, detectResources, envDetector } from '@opentelemetry/resources'
import { MeterProvider } from '@opentelemetry/sdk-metrics'

const [name, port, ...attributes] = process.argv.slice(2)
const exporter = new PrometheusExporter({ host: '127.0.0.1', port: Number(port) })
const resource = defaultResource().merge(detectResources({ detectors: [envDetector] }))
const meter = new MeterProvider({ resource, readers: [exporter] }).getMeter('service')
meter.createCounter('charges').add(3)
meter.createCounter('requests').add(1, Object.fromEntries(attributes.map((attribute) => [attribute, '/orders'])))
// The exporter alone does not keep the process alive.
setInterval(() => {}, 60_000)
writeFileSync(`${name}.ready`, '')
JS
free() { node -e "const s = require('net').createServer().listen(0, '127.0.0.1', () => { console.log(s.address().port); s.close() })"; }
printf 'global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n' >prometheus.yml
# start NAME ATTRIBUTES...: one process with these attributes.
start() {
  local port
  port=$(free)
  echo "  - {job_name: $1, static_configs: [{targets: ['127.0.0.1:$port']}]}" >>prometheus.yml
  node serve.js "$1" "$port" "${@:2}" &
  pids="${pids:-} $!"
  for _ in $(seq 100); do test -e "$1.ready" && break; sleep 0.1; done
}
start one-attribute http.route
start two-attributes http.route http_route
OTEL_RESOURCE_ATTRIBUTES=service_name=orders start resource http.route
port=$(free)
root/usr/bin/prometheus --version | head -1
root/usr/bin/prometheus --config.file=prometheus.yml --storage.tsdb.path=data --web.listen-address="127.0.0.1:$port" >log 2>&1 &
pids="$pids $!"
cat >find.js <<'JS'
import { setTimeout as sleep } from 'node:timers/promises'

const url = `http://127.0.0.1:${process.argv[2]}/api/v1`
const ask = async (path) => (await fetch(`${url}/${path}`).then((response) => response.json(), () => ({}))).data
const targets = async () => (await ask('targets'))?.activeTargets ?? []
for (let i = 0; i < 100; i++) {
  const found = await targets()
  if (found.length === 3 && found.every(({ health }) => health !== 'unknown')) break
  await sleep(200)
}
const found = await targets()
for (const job of ['one-attribute', 'two-attributes', 'resource']) {
  const { health, lastError } = found.find(({ labels }) => labels.job === job)
  const { result } = await ask(`query?query=${encodeURIComponent(`charges_total{job="${job}"}`)}`)
  console.log(`${job}: ${health}, charges ${result[0]?.value[1] ?? 'unknown'} ${lastError}`.trim())
}
JS
node find.js "$port" | tee output
diff output - <<'EXPECTED'
one-attribute: up, charges 3
two-attributes: down, charges unknown label name "http_route" is not unique: invalid sample
resource: down, charges unknown label name "service_name" is not unique: invalid sample
EXPECTED
