#!/usr/bin/env bash
# koa 2.16.4 sends a stream of readable-stream 4 (archiver, bl) as the JSON of its insides, with 200, or fails with 500.
#
# Guess: `ctx.body = archive` sends what the archive writes, as it does with a stream of Node.js.
# What happens: Koa 2 asks `instanceof Stream`. The streams of readable-stream 4 and of streamx (tar-stream 3) are no instances of it;
#   those of readable-stream 3 (through2 4) are. Koa takes the others for objects: 200, application/json, with the state and the
#   buffered bytes of the stream, or 500 where that has a circle. Nothing reads the stream. koa 3.3.0 looks at the methods and sends
#   those of readable-stream 4; for streamx it still responds with 500.
# Why it matters: an update of archiver, bl or tar-stream within an app that stays as it is turns downloads into JSON, with a status
#   that says all is well. Pipe the stream into a PassThrough of node:stream, with `pipeline` for its errors.
# Needs Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts koa2@npm:koa@2.16.4 koa3@npm:koa@3.3.0 archiver@7.0.1 bl@6.1.6 \
  readable-stream@4.8.0 tar-stream@3.1.7 through2@4.0.2
cat >find.js <<'JS'
import { once } from 'node:events'
import { createServer } from 'node:http'
import archiver from 'archiver'
import BufferList from 'bl'
import Koa2 from 'koa2'
import Koa3 from 'koa3'
import readableStream from 'readable-stream'
import tar from 'tar-stream'
import through2 from 'through2'

const makers = {
  'through2 4': () => through2().end('hello'),
  'readable-stream 4': () => new readableStream.PassThrough().end('hello'),
  'bl 6': () => new BufferList('hello'),
  'archiver 7': () => {
    const archive = archiver('zip').append('hello', { name: 'file' })
    archive.finalize()
    return archive
  },
  'tar-stream 3': () => {
    const pack = tar.pack()
    pack.entry({ name: 'file' }, 'hello')
    pack.finalize()
    return pack
  },
}
for (const [version, Koa] of [['2.16.4', Koa2], ['3.3.0', Koa3]]) {
  for (const [name, make] of Object.entries(makers)) {
    const app = new Koa()
    app.silent = true
    app.use((ctx) => {
      ctx.body = make()
    })
    const server = createServer(app.callback()).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const response = await fetch(`http://127.0.0.1:${server.address().port}/`)
    const text = Buffer.from(await response.arrayBuffer()).toString('latin1')
    const kind = text === 'hello' ? 'hello' : text.startsWith('PK') ? 'a zip file' : text.startsWith('{"_') ? 'its insides' : text
    console.log(`koa ${version}, ${name}: ${response.status} ${response.headers.get('content-type')}: ${kind}`)
    server.close()
    server.closeAllConnections()
  }
}
JS
node find.js | tee output
diff output - <<'EXPECTED'
koa 2.16.4, through2 4: 200 application/octet-stream: hello
koa 2.16.4, readable-stream 4: 200 application/json; charset=utf-8: its insides
koa 2.16.4, bl 6: 200 application/json; charset=utf-8: its insides
koa 2.16.4, archiver 7: 500 text/plain; charset=utf-8: Internal Server Error
koa 2.16.4, tar-stream 3: 500 text/plain; charset=utf-8: Internal Server Error
koa 3.3.0, through2 4: 200 application/octet-stream: hello
koa 3.3.0, readable-stream 4: 200 application/octet-stream: hello
koa 3.3.0, bl 6: 200 application/octet-stream: hello
koa 3.3.0, archiver 7: 200 application/octet-stream: a zip file
koa 3.3.0, tar-stream 3: 500 text/plain; charset=utf-8: Internal Server Error
EXPECTED
