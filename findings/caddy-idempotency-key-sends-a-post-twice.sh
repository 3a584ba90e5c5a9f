#!/usr/bin/env bash
# Caddy 2.6.2 (Debian 12), reverse_proxy: a POST without a body is sent twice to the server if it has an Idempotency-Key.
#
# Guess: the proxy does not know what the header means to the server behind it, and passes it on. A POST that the server has read
#   before its connection ended is a 502, once.
# What happens: the HTTP client of Go, on which Caddy is built, takes a request with Idempotency-Key or X-Idempotency-Key for one that
#   may be repeated, and does so when a connection that was used before ends without a response. A body it cannot send
#   again, so this holds for those without one. Without the header the same POST is sent once.
# Why it matters: `POST /payments/17/capture` and `/cancel` have no body. A partner who adds the header to be safe, in front of a server
#   that does not look at it, gets the request run twice. Make the key work in the server, or remove it in the proxy.
# Needs apt-get of Debian 12, and Node.js 20 or newer; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q caddy=2.6.2-5 2>&1 | grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done

cat >find.mjs <<'JS'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer, request as httpRequest } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

// A server that responds to each GET, and ends the connection without a response when it has read a POST.
let count = 0
const server = createServer(async (request, response) => {
  for await (const _ of request);
  if (request.method === 'GET') return response.end('ok')
  count++
  request.socket.end()
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1')
await once(server, 'listening')

const probe = createServer().listen(0, '127.0.0.1')
await once(probe, 'listening')
const { port } = probe.address()
await new Promise((resolve) => probe.close(resolve))
writeFileSync(
  'Caddyfile',
  `{
  admin off
  auto_https off
}
http://127.0.0.1:${port} {
  reverse_proxy 127.0.0.1:${server.address().port}
}
`,
)
const env = { ...process.env, HOME: process.cwd(), XDG_DATA_HOME: process.cwd(), XDG_CONFIG_HOME: process.cwd() }
const caddy = spawn('root/usr/bin/caddy', ['run', '--config', 'Caddyfile'], { env, stdio: 'ignore' })

const send = (method, body, headers) =>
  new Promise((resolve, reject) => {
    const length = Buffer.byteLength(body)
    const options = { host: '127.0.0.1', port, method, path: '/payments/17/capture', agent: false }
    const request = httpRequest({ ...options, headers: { ...headers, 'Content-Length': length } }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode))
    })
    request.on('error', reject).end(body)
  })
for (let i = 0; i < 100 && (await send('GET', '', {}).catch(() => 0)) !== 200; i++) await sleep(100)
for (const body of ['', '{}']) {
  for (const name of [undefined, 'Idempotency-Key', 'X-Idempotency-Key']) {
    // Caddy then has a connection that was used before.
    await send('GET', '', {})
    await sleep(200)
    count = 0
    const status = await send('POST', body, name ? { [name]: 'key-1' } : {})
    await sleep(200)
    console.log(`POST, body "${body}", ${name ?? 'no key'}: ${status}, the server read it ${count} times`)
  }
}
caddy.kill()
await once(caddy, 'exit')
process.exit()
JS
root/usr/bin/caddy version
node find.mjs | tee output
diff output - <<'EXPECTED'
POST, body "", no key: 502, the server read it 1 times
POST, body "", Idempotency-Key: 502, the server read it 2 times
POST, body "", X-Idempotency-Key: 502, the server read it 2 times
POST, body "{}", no key: 502, the server read it 1 times
POST, body "{}", Idempotency-Key: 502, the server read it 1 times
POST, body "{}", X-Idempotency-Key: 502, the server read it 1 times
EXPECTED
