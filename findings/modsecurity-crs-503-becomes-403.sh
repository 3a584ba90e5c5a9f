#!/usr/bin/env bash
# OWASP Core Rule Set 3.3.4 with ModSecurity 2.9.7 and Apache 2.4.71 (Debian 12): in paranoia level 2 each 5xx becomes 403.
#
# Guess: the rules look for attacks in requests and for leaks in the bodies of responses. A 503 of the service reaches its client as
#   it is, with Retry-After, in each paranoia level; a higher level only means more suspicion of requests.
# What happens: from level 2 on rule 950100 gives any 5xx the score at which responses are blocked. The client gets 403 and a page of
#   HTML, without Retry-After, where the JSON comes in one piece. The same 503 whose body comes after its headers gets through: the
#   headers of JSON, which is not inspected, are out before the rule is asked, and the log says "Access denied" all the same.
#   DELETE is 403 in each level, since it is not among the allowed methods.
# Why it matters: clients retry 503 and give up at 403. A charge whose outcome is not known (502, 504) or an order that would have
#   gone through a second later looks refused for good, and a second one is made with another key.
# Needs apt-get of Debian 12, and Node.js; installs nothing outside a temporary folder. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
pid=
trap 'test -z "$pid" || kill "$pid"; wait; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q apache2-bin=2.4.71-1~deb12u1 libapache2-mod-security2=2.9.7-1+deb12u2 modsecurity-crs=3.3.4-1+deb12u3 \
  libapr1=1.7.2-3+deb12u1 libaprutil1=1.6.3-1+deb12u1 liblua5.1-0=5.1.5-9 libyajl2=2.1.0-3+deb12u2 >&2
for package in *.deb; do dpkg-deb -x "$package" root; done
LD_LIBRARY_PATH=$(dirname "$(find "$folder/root" -name 'libapr-1.so.0')")
export LD_LIBRARY_PATH
mkdir -m 777 data

port=$((20000 + RANDOM % 10000))
# The settings that come with both, switched on as their comments say, in this paranoia level.
start() {
  sed 's/SecRuleEngine DetectionOnly/SecRuleEngine On/; /^Sec\(AuditEngine\|AuditLog\|UnicodeMapFile\|TmpDir\|DataDir\)/d' \
    root/etc/modsecurity/modsecurity.conf-recommended >modsecurity.conf
  {
    echo "ServerRoot $folder"
    echo "ServerName localhost"
    echo "PidFile $folder/data/pid"
    echo "DefaultRuntimeDir $folder/data"
    echo "ErrorLog $folder/data/log"
    echo "Listen 127.0.0.1:$port"
    for module in mpm_event authz_core proxy proxy_http unique_id security2; do
      echo "LoadModule ${module}_module $folder/root/usr/lib/apache2/modules/mod_$module.so"
    done
    test "$(id -u)" != 0 || printf 'User www-data\nGroup www-data\n'
    printf 'SecTmpDir %s\nSecDataDir %s\n' "$folder/data" "$folder/data"
    echo "Include $folder/modsecurity.conf"
    echo "Include $folder/root/etc/modsecurity/crs/crs-setup.conf"
    echo "SecAction \"id:900000,phase:1,nolog,pass,t:none,setvar:tx.paranoia_level=$1\""
    echo "Include $folder/root/usr/share/modsecurity-crs/rules/*.conf"
    echo "ProxyPass / http://127.0.0.1:$((port + 1))/"
  } >apache.conf
  root/usr/sbin/apache2 -f "$folder/apache.conf" -D FOREGROUND 2>>data/output &
  pid=$!
}

cat >find.js <<'JS'
const http = require('node:http')
const port = Number(process.argv[2])
const level = process.argv[3]
const WANTED = [['POST', '201 whole'], ['POST', '409 whole'], ['POST', '503 whole'], ['POST', '503 chunked'], ['DELETE', '200 whole']]
// Says what it is asked for, in one piece or in two.
const server = http.createServer((request, response) => {
  request.resume().on('end', () => {
    const [status, framing] = request.headers['x-want'].split(' ')
    const body = '{"code":"store_unavailable"}'
    response.statusCode = Number(status)
    response.setHeader('Content-Type', 'application/json')
    if (status === '503') response.setHeader('Retry-After', '1')
    if (framing === 'chunked') response.flushHeaders()
    setTimeout(() => response.end(body), 200)
  })
})
const send = (method, want) =>
  new Promise((resolve) => {
    const body = '{"amount":500}'
    const headers = { Host: 'shop.example', 'User-Agent': 'partner/1', Accept: 'application/json', 'X-Want': want }
    if (method === 'POST') Object.assign(headers, { 'Content-Type': 'application/json', 'Content-Length': body.length })
    http
      .request({ port, host: '127.0.0.1', method, path: '/charges', agent: false, headers }, (response) => {
        const { 'content-type': type, 'retry-after': after } = response.headers
        response.resume().on('end', () => resolve(`${response.statusCode} ${type.split(';')[0]}, Retry-After: ${after}`))
      })
      .on('error', () => resolve(''))
      .end(method === 'POST' ? body : '')
  })
server.listen(port + 1, '127.0.0.1', async () => {
  while ((await send('GET', '200 whole')) === '') await new Promise((resolve) => setTimeout(resolve, 100))
  for (const [method, want] of WANTED)
    console.log(`level ${level}, ${method}: the service says ${want}, the client gets ${await send(method, want)}`)
  process.exit(0)
})
JS

root/usr/sbin/apache2 -v | head -1
for level in 1 2; do
  start "$level"
  node find.js "$port" "$level"
  kill "$pid"
  wait "$pid" || true
  pid=
  port=$((port + 2))
done | tee output
grep '^level' output | diff - <(
  cat <<'EXPECTED'
level 1, POST: the service says 201 whole, the client gets 201 application/json, Retry-After: undefined
level 1, POST: the service says 409 whole, the client gets 409 application/json, Retry-After: undefined
level 1, POST: the service says 503 whole, the client gets 503 application/json, Retry-After: 1
level 1, POST: the service says 503 chunked, the client gets 503 application/json, Retry-After: 1
level 1, DELETE: the service says 200 whole, the client gets 403 text/html, Retry-After: undefined
level 2, POST: the service says 201 whole, the client gets 201 application/json, Retry-After: undefined
level 2, POST: the service says 409 whole, the client gets 409 application/json, Retry-After: undefined
level 2, POST: the service says 503 whole, the client gets 403 text/html, Retry-After: undefined
level 2, POST: the service says 503 chunked, the client gets 503 application/json, Retry-After: 1
level 2, DELETE: the service says 200 whole, the client gets 403 text/html, Retry-After: undefined
EXPECTED
)
