#!/usr/bin/env bash
# lighttpd 1.4.69 (Debian 12), mod_proxy: trailers of the server behind it become a header line with a bare CR.
#
# Guess: a chunked response with a trailer is passed on in chunks with its trailer, or without it (RFC 9110, section 6.5.1),
#   whether it arrives in one piece or in several.
# What happens: in several pieces it is passed on. In one piece lighttpd makes a Content-Length of it and puts the trailer
#   among the headers, with a CR too many: "X-Checksum: abc\r\r\n". node:http gives up with HPE_LF_EXPECTED.
# Why it matters: whether a response is valid HTTP depends on how fast the server behind it is. A proxy that must know the
#   outcome of a request (an idempotency key) has a request that took effect, and a response that it cannot read.
# Needs apt-get of Debian 12, and Node.js; installs nothing outside a temporary folder. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
pid=
trap 'test -z "$pid" || kill "$pid"; wait; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q lighttpd=1.4.69-1 >&2
for package in *.deb; do dpkg-deb -x "$package" root; done
LD_LIBRARY_PATH=$folder/root/usr/lib/lighttpd
export LD_LIBRARY_PATH

port=$((20000 + RANDOM % 10000))
cat >lighttpd.conf <<CONF
server.document-root = "$folder"
server.bind = "127.0.0.1"
server.port = $port
server.modules = ("mod_proxy")
proxy.server = ( "" => (( "host" => "127.0.0.1", "port" => $((port + 1)) )) )
server.stream-response-body = 1
CONF
root/usr/sbin/lighttpd -v
root/usr/sbin/lighttpd -D -m root/usr/lib/lighttpd -f lighttpd.conf 2>log &
pid=$!

cat >find.js <<'JS'
const http = require('node:http')
const net = require('node:net')
const port = Number(process.argv[2])
const HEAD = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Checksum\r\n\r\n'
const REST = ['5\r\nhello\r\n', '0\r\nX-Checksum: abc\r\n\r\n']

// A server that sends the same response in one piece, or in three.
net
  .createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', async (request) => {
      const pieces = String(request).startsWith('GET /one') ? [[HEAD, ...REST].join('')] : [HEAD, ...REST]
      for (const piece of pieces) {
        socket.write(piece)
        await new Promise((resolve) => setTimeout(resolve, 500))
      }
      socket.end()
    })
  })
  .listen(port + 1, '127.0.0.1')

const bytes = (path) =>
  new Promise((resolve) => {
    let text = ''
    const socket = net.connect(port, '127.0.0.1', () => {
      socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
    })
    socket.on('data', (chunk) => (text += chunk))
    socket.on('error', () => {}).on('close', () => resolve(text))
  })
const byNode = (path) =>
  new Promise((resolve) => {
    http
      .get({ port, host: '127.0.0.1', path, agent: false }, (response) => {
        response.resume().on('end', () => resolve(`whole, trailers ${JSON.stringify(response.trailers)}`))
      })
      .on('error', (error) => resolve(`failed: ${error.code}`))
  })
;(async () => {
  while ((await bytes('/')) === '') await new Promise((resolve) => setTimeout(resolve, 50))
  for (const path of ['/three', '/one']) {
    const [line] = /X-Checksum: abc[\r\n]+/.exec(await bytes(path)) ?? ['none']
    console.log(`${path}: ${JSON.stringify(line)}; node:http ${await byNode(path)}`)
  }
  process.exit(0)
})()
JS
node find.js "$port" | tee output
diff output - <<'EXPECTED'
/three: "X-Checksum: abc\r\n\r\n"; node:http whole, trailers {"x-checksum":"abc"}
/one: "X-Checksum: abc\r\r\n"; node:http failed: HPE_LF_EXPECTED
EXPECTED
