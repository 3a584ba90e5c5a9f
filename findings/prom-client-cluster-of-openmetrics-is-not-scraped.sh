#!/usr/bin/env bash
# prom-client 15.1.3 in a cluster: with the content type of OpenMetrics each scrape of Prometheus 2.42.0 (Debian 12) fails.
#
# Guess: AggregatorRegistry with setContentType(Registry.OPENMETRICS_CONTENT_TYPE) writes OpenMetrics, as Registry does with the
#   same call; `contentType` and clusterMetrics() go together, as in the example of the package.
# What happens: `contentType` is that of OpenMetrics, and clusterMetrics() is always in the older text format: no "# EOF", counters
#   without "_total", no exemplars. Prometheus refuses the whole response, and the target is down. With the text format the
#   scrape works; a counter has another name there than in OpenMetrics ("orders", "orders_total").
# Why it matters: exemplars need OpenMetrics. Who tries them with one process and then starts a cluster loses all metrics, and
#   the page of metrics looks right in a browser.
# Needs apt-get of Debian 12, Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
trap 'kill ${pids:-} 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts prom-client@15.1.3
apt-get download -q prometheus 2>&1 | grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done
cat >serve.js <<'JS'
import cluster from 'node:cluster'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import client from 'prom-client'

const { AggregatorRegistry, Counter, Registry, register } = client
const [name, kind, type] = process.argv.slice(2)
const contentType = Registry[`${type}_CONTENT_TYPE`]
async function listen(registry, write) {
  registry.setContentType(contentType)
  const server = createServer(async (request, response) => {
    response.setHeader('Content-Type', registry.contentType)
    response.end(await write())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  writeFileSync(`${name}.port`, String(server.address().port))
}
if (kind === 'cluster' && cluster.isPrimary) {
  cluster.fork()
  cluster.fork()
  const registry = new AggregatorRegistry()
  await listen(registry, () => registry.clusterMetrics())
} else {
  if (kind === 'cluster') new AggregatorRegistry()
  else await listen(register, () => register.metrics())
  register.setContentType(contentType)
  const enableExemplars = type === 'OPENMETRICS'
  const counter = new Counter({ name: 'orders', help: 'Orders placed', labelNames: ['status'], enableExemplars })
  if (enableExemplars) counter.inc({ labels: { status: '201' }, value: 1, exemplarLabels: { trace_id: 'abc' } })
  else counter.inc({ status: '201' }, 1)
}
JS
node serve.js one-text process PROMETHEUS &
pids="$!"
node serve.js one-openmetrics process OPENMETRICS &
pids="$pids $!"
node serve.js cluster-text cluster PROMETHEUS &
pids="$pids $!"
node serve.js cluster-openmetrics cluster OPENMETRICS &
pids="$pids $!"
for name in one-text one-openmetrics cluster-text cluster-openmetrics; do
  for i in $(seq 100); do test -s $name.port && break; sleep 0.1; done
done
{
  echo 'global: {scrape_interval: 1s, scrape_timeout: 1s}'
  echo 'scrape_configs:'
  for name in one-text one-openmetrics cluster-text cluster-openmetrics; do
    echo "  - {job_name: $name, static_configs: [{targets: ['127.0.0.1:$(cat $name.port)']}]}"
  done
} >prometheus.yml
port=$(node -e "const s = require('net').createServer().listen(0, '127.0.0.1', () => { console.log(s.address().port); s.close() })")
root/usr/bin/prometheus --version | head -1
root/usr/bin/prometheus --config.file=prometheus.yml --storage.tsdb.path=data --enable-feature=exemplar-storage \
  --web.listen-address="127.0.0.1:$port" >log 2>&1 &
pids="$pids $!"
cat >find.js <<'JS'
import { setTimeout as sleep } from 'node:timers/promises'

const get = async (path) => {
  const response = await fetch(`http://127.0.0.1:${process.argv[2]}/api/v1/${path}`)
  return (await response.json()).data
}
let targets = []
for (let i = 0; i < 300; i++) {
  targets = (await get('targets').catch(() => ({ activeTargets: [] }))).activeTargets
  if (targets.length === 4 && targets.every(({ health }) => health !== 'unknown')) break
  await sleep(100)
}
await sleep(3_000)
targets = (await get('targets')).activeTargets
for (const { labels, health, lastError } of targets.sort((a, b) => (a.labels.job < b.labels.job ? 1 : -1))) {
  const query = encodeURIComponent(`{job="${labels.job}",status="201"}`)
  const series = (await get(`query?query=${query}`)).result.map(({ metric, value }) => `${metric.__name__} ${value[1]}`)
  const exemplars = await get(`query_exemplars?query=${query}&start=0&end=${Date.now() / 1000 + 1}`)
  console.log(`${labels.job}: ${health}${lastError && ` (${lastError})`}; series: ${series}; exemplars: ${exemplars.length}`)
}
JS
node find.js "$port" | tee output
diff output - <<'EXPECTED'
one-text: up; series: orders 1; exemplars: 0
one-openmetrics: up; series: orders_total 1; exemplars: 1
cluster-text: up; series: orders 2; exemplars: 0
cluster-openmetrics: down (data does not end with # EOF); series: ; exemplars: 0
EXPECTED
