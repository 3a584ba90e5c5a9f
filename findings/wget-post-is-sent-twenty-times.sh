#!/usr/bin/env bash
# wget 1.21.3 (Debian 12): a POST is sent 20 times, and after a part of its response with a Range.
#
# Guess: --tries (default 20) is for downloads. A POST that got no response ends with an error, as curl without --retry does; one
#   whose response broke off is certainly not sent again: what is left of it cannot be asked for.
# What happens: without an option, a POST whose connection ends before a response, or in the middle of it, is sent 20 times over two and a
#   half minutes. After 9 of 100 bytes of 201 Created the next ones say "Range: bytes=9-", so that they differ from the first by a header.
# Why it matters: a cron job that says "wget --post-data" to a service that fails while it responds charges twenty times. A service that
#   honours Range for a POST sends the end of a second response, which wget puts behind the beginning of the first. Give --tries=1, or an
#   idempotency key, which is the same in all twenty.
# Needs apt-get of Debian 12, and Node.js; installs nothing outside a temporary folder. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q wget=1.21.3-1+deb12u1 libpcre2-8-0 libpsl5 libuuid1 libidn2-0 libgnutls30 libnettle8 2>&1 | grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done
LD_LIBRARY_PATH=$(dirname "$(find "$folder/root" -name 'libnettle.so.8')")
export LD_LIBRARY_PATH

cat >find.mjs <<'JS'
import { execFile } from 'node:child_process'
import { createServer } from 'node:net'
import { promisify } from 'node:util'

const HALF = 'HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"order":'
const requests = []
const server = createServer((socket) => {
  socket.on('error', () => {})
  socket.once('data', (request) => {
    requests.push(String(request))
    if (String(request).startsWith('POST /half')) socket.end(HALF)
    else socket.destroy()
  })
}).listen(0, '127.0.0.1')
await new Promise((resolve) => server.once('listening', resolve))
console.log((await promisify(execFile)('root/usr/bin/wget', ['--version'])).stdout.split(' ', 3).join(' '))
for (const path of ['/none', '/half']) {
  requests.length = 0
  const url = `http://127.0.0.1:${server.address().port}${path}`
  // --waitretry=0 leaves out the waits of 1, 2, 3 ... 10 s between the tries; how many there are is the default.
  const options = ['--quiet', '--no-config', '--waitretry=0', '--output-document=response']
  const post = ['--header=Idempotency-Key: key-1', '--post-data={"amount":500}']
  const { code } = await promisify(execFile)('root/usr/bin/wget', [...options, ...post, url]).catch((error) => error)
  const posts = requests.filter((text) => text.startsWith('POST ') && text.endsWith('{"amount":500}'))
  const ranges = [...new Set(requests.map((text) => /^Range: .*$/im.exec(text)?.[0] ?? 'no Range'))]
  console.log(`POST ${path}: exit code ${code}, sent ${posts.length} times, ${ranges.join(', then ')}`)
}
server.close()
JS
node find.mjs | tee output
diff output - <<'EXPECTED'
GNU Wget 1.21.3
POST /none: exit code 4, sent 20 times, no Range
POST /half: exit code 4, sent 20 times, no Range, then Range: bytes=9-
EXPECTED
