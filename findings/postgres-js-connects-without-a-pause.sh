#!/usr/bin/env bash
# postgres (postgres.js) 3.4.9: a connection that is closed before the first byte is opened again at once, without end.
#
# Guess: it is like a refused connection: the statement fails with CONNECTION_CLOSED, and the next try waits for `backoff`.
# What happens: the statement neither fails nor ends, and the driver opens hundreds of connections a second, one after the
#   other. `backoff` and `connect_timeout` do not count. A connection that is refused, or reset, fails its statement at once.
# Why it matters: what stands in front of a server that is away accepts and closes: HAProxy in mode tcp, a published port of
#   Docker, a Service of Kubernetes whose pod is not ready. A pool of 10 floods it, and each caller waits for ever.
# Needs Node.js 20 or newer and npm; only this machine is connected to. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts postgres@3.4.9
cat >find.js <<'JS'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'

async function watch(what, close) {
  let connections = 0
  const server = createServer((socket) => {
    connections++
    socket.on('error', () => {})
    close(socket)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address()
  if (close === undefined) server.close()
  const sql = postgres({ host: '127.0.0.1', port, user: 'u', database: 'd', max: 1, connect_timeout: 1, backoff: () => 1 })
  const ended = sql`SELECT 1`.then(() => 'done', ({ code }) => code)
  const outcome = await Promise.race([ended, sleep(3_000, 'no outcome after 3 s')])
  console.log(`${what}: ${outcome}, ${connections > 50 ? 'more than 50' : connections} connections`)
  server.close()
}

await watch('refused', undefined)
await watch('reset', (socket) => socket.resetAndDestroy())
await watch('accepted and closed', (socket) => socket.end())
process.exit()
JS
node find.js | tee output
diff output - <<'EXPECTED'
refused: ECONNREFUSED, 0 connections
reset: ECONNRESET, 1 connections
accepted and closed: no outcome after 3 s, more than 50 connections
EXPECTED
