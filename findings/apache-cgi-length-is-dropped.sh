#!/usr/bin/env bash
# Apache 2.4.71 (Debian 12): a CGI program that is killed in the middle of its response has sent a whole response.
#
# Guess: the program has declared Content-Length: 1000. After 14 bytes and a second it dies; Apache passes the length on, and closes the
#   connection after 14 bytes, which a client sees as an incomplete message (RFC 9112, section 8).
# What happens: the Content-Length of a program is dropped since 2.4.59. In its place there are chunks, with the last one. The
#   response is 200 and whole; only the error log may tell. nginx and lighttpd pass the 1000 on, and cut. With
#   "SetEnv ap_trust_cgilike_cl yes" Apache does, too, unless the program dies at once: then it is Content-Length: 14, whole.
# Why it matters: a proxy, a cache or a client that keeps the response of a POST for its retries keeps half of it, and
#   nothing in the message shows that.
# Needs apt-get of Debian 12 on amd64 or arm64, and Node.js; installs nothing outside a temporary folder. Fails when the
# behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
pid=
trap 'test -z "$pid" || kill "$pid"; wait; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q apache2-bin=2.4.71-1~deb12u1 libapr1=1.7.2-3+deb12u1 libaprutil1=1.6.3-1+deb12u1 2>&1 | grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done
LD_LIBRARY_PATH=$(dirname "$(find "$folder/root" -name 'libapr-1.so.0')")
export LD_LIBRARY_PATH

port=$((20000 + RANDOM % 10000))
mkdir cgi
cat >cgi/with-length <<'SH'
#!/bin/sh
printf 'Content-Type: text/plain\r\nContent-Length: 1000\r\n\r\nthe first half'
sleep 1
kill -9 $$
SH
cp cgi/with-length cgi/trusted
chmod 755 cgi cgi/*
modules=$folder/root/usr/lib/apache2/modules
cat >apache.conf <<CONF
ServerRoot $folder
ServerName localhost
PidFile $folder/pid
DefaultRuntimeDir $folder
ErrorLog $folder/log
Listen 127.0.0.1:$port
LoadModule mpm_event_module $modules/mod_mpm_event.so
LoadModule authz_core_module $modules/mod_authz_core.so
LoadModule alias_module $modules/mod_alias.so
LoadModule env_module $modules/mod_env.so
LoadModule cgid_module $modules/mod_cgid.so
ScriptSock $folder/sock
ScriptAlias / $folder/cgi/
<Location /trusted>
  SetEnv ap_trust_cgilike_cl yes
</Location>
CONF
if [ "$(id -u)" = 0 ]; then printf 'User nobody\nGroup nogroup\n' >>apache.conf; fi
root/usr/sbin/apache2 -v | head -1
root/usr/sbin/apache2 -f "$folder/apache.conf" -D FOREGROUND &
pid=$!

cat >find.js <<'JS'
const http = require('node:http')
const get = (path) =>
  new Promise((resolve) => {
    const request = http.get({ port: process.argv[2], host: '127.0.0.1', path, agent: false }, (response) => {
      let body = ''
      response.on('data', (chunk) => (body += chunk)).on('error', () => {})
      response.on('close', () => {
        const { statusCode, headers, complete } = response
        resolve(`${statusCode}, length of the program: ${headers['content-length'] === '1000'}, ${body}, whole: ${complete}`)
      })
    })
    request.on('error', () => setTimeout(() => resolve(get(path)), 50))
  })
;(async () => {
  for (const path of ['/with-length', '/trusted']) console.log(`${path}: ${await get(path)}`)
})()
JS
node find.js "$port" | tee output
diff output - <<'EXPECTED'
/with-length: 200, length of the program: false, the first half, whole: true
/trusted: 200, length of the program: true, the first half, whole: false
EXPECTED
