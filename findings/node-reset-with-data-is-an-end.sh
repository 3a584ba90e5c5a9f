#!/usr/bin/env bash
# Node.js 20.20 and 22.23: a reset that comes together with the last bytes is reported as an end in good order.
#
# Guess: a socket that was reset (RST) emits 'error' with ECONNRESET, whenever its process gets to look at it.
# What happens: if bytes and reset wait together, as after a moment in which the process was busy, the socket emits 'data',
#   'end' and 'close' without an error. Node.js 24.21 and 26.10 report ECONNRESET. A write of no bytes after the end tells
#   the two apart on every version: it sends nothing, and fails with ECONNRESET on the connection that was reset.
# Why it matters: a response without a length ends with its connection (RFC 9112, section 8). A client or proxy under load
#   takes half of it for the whole, and one that stores responses replays that half.
# Needs npm and the programs that the npm package `node` brings for Linux; everything is on loopback.
# Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true}' >package.json
npm install --silent --no-audit --no-fund \
  node20@npm:node@20.20.2 node22@npm:node@22.23.3 node24@npm:node@24.21.0 node26@npm:node@26.10.0
cat >find.mjs <<'JS'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

if (process.argv[2] === 'server') {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', (how) => {
      socket.write('half')
      setTimeout(() => (String(how) === 'reset' ? socket.resetAndDestroy() : socket.end()), 100)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  console.log(server.address().port)
} else {
  const server = spawn(process.execPath, ['find.mjs', 'server'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [port] = await once(server.stdout, 'data')
  for (const how of ['reset', 'end']) {
    for (const busyMs of [0, 1_500]) {
      const socket = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true })
      await once(socket, 'connect')
      const seen = []
      socket.on('data', () => seen.push('data')).on('error', ({ code }) => seen.push(`error ${code}`))
      socket.on('end', () => {
        seen.push('end')
        socket.write(Buffer.alloc(0), (error) => seen.push(error ? `a write fails with ${error.code}` : 'a write succeeds'))
      })
      socket.write(how)
      await new Promise(setImmediate)
      for (const started = Date.now(); Date.now() - started < busyMs; );
      await sleep(1_500)
      console.log(`${how}, ${busyMs === 0 ? 'idle' : 'busy'}: ${seen.join(', ')}`)
      socket.destroy()
    }
  }
  server.kill()
}
JS
for version in 20 22 24 26; do
  "node_modules/node$version/bin/node" --version
  "node_modules/node$version/bin/node" find.mjs
done | tee output
diff output - <<'EXPECTED'
v20.20.2
reset, idle: data, error ECONNRESET
reset, busy: data, end, a write fails with ECONNRESET, error ECONNRESET
end, idle: data, end, a write succeeds
end, busy: data, end, a write succeeds
v22.23.3
reset, idle: data, error ECONNRESET
reset, busy: data, end, a write fails with ECONNRESET, error ECONNRESET
end, idle: data, end, a write succeeds
end, busy: data, end, a write succeeds
v24.21.0
reset, idle: data, error ECONNRESET
reset, busy: data, error ECONNRESET
end, idle: data, end, a write succeeds
end, busy: data, end, a write succeeds
v26.10.0
reset, idle: data, error ECONNRESET
reset, busy: data, error ECONNRESET
end, idle: data, end, a write succeeds
end, busy: data, end, a write succeeds
EXPECTED
