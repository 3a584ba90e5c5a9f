#!/usr/bin/env bash
# Varnish 7.1.1 (Debian 12): a POST without a body is sent to the server a second time.
#
# Guess: a request whose connection ends before a response is sent again only if its method is idempotent (RFC 9110,
#   section 9.2.2), or not at all with return (pass). A POST gets 503.
# What happens: on a connection that has served a request before, Varnish sends a POST without a body once more on a new
#   connection, also with return (pass). A POST with a body gets 503 after one attempt. "Connection: close" for each request
#   to the server (bereq) prevents it.
# Why it matters: POST /orders/7/cancel or /charge?amount=5 takes effect twice where the server does its work and then loses
#   the connection, such as in a restart. The client sees one response.
# Needs apt-get of Debian 12, gcc (Varnish compiles its settings) and Node.js; installs nothing outside a temporary folder.
# Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
pid=
trap 'test -z "$pid" || kill "$pid"; wait; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q varnish=7.1.1-2+deb12u1 libvarnishapi3=7.1.1-2+deb12u1 libjemalloc2=5.3.0-1 libedit2=3.1-20221030-2 >&2
for package in *.deb; do dpkg-deb -x "$package" root; done
LD_LIBRARY_PATH=$(dirname "$(find "$folder/root" -name 'libjemalloc.so.2')")
export LD_LIBRARY_PATH

port=$((20000 + RANDOM % 10000))
cat >default.vcl <<VCL
vcl 4.1;
backend default { .host = "127.0.0.1"; .port = "$((port + 1))"; }
sub vcl_recv { return (pass); }
VCL
root/usr/sbin/varnishd -V 2>&1 | head -1
root/usr/sbin/varnishd -F -n "$folder/work" -j none -s malloc,16m -a "127.0.0.1:$port" -f "$folder/default.vcl" 2>log &
pid=$!

cat >find.js <<'JS'
const http = require('node:http')
const net = require('node:net')
const port = Number(process.argv[2])
let count = 0
// Answers /ok, and ends the connection of any other request without a response.
net
  .createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (request) => {
      if (String(request).startsWith('GET /ok')) return socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
      count++
      socket.destroy()
    })
  })
  .listen(port + 1, '127.0.0.1')

const send = (method, path, body) =>
  new Promise((resolve) => {
    const headers = method === 'POST' ? { 'Content-Length': body.length } : {}
    http
      .request({ port, host: '127.0.0.1', method, path, agent: false, headers }, (response) => {
        response.resume().on('end', () => resolve(response.statusCode))
      })
      .on('error', () => resolve(0))
      .end(body)
  })
;(async () => {
  while ((await send('GET', '/ok', '')) !== 200) await new Promise((resolve) => setTimeout(resolve, 100))
  for (const [what, body] of [
    ['without a body', ''],
    ['with a body', '{}'],
  ]) {
    // So that there is a connection to use again.
    await send('GET', '/ok', '')
    count = 0
    const status = await send('POST', '/charge', body)
    console.log(`POST ${what}: ${status}, sent ${count} times`)
  }
  process.exit(0)
})()
JS
node find.js "$port" | tee output
diff output - <<'EXPECTED'
POST without a body: 503, sent 2 times
POST with a body: 503, sent 1 times
EXPECTED
