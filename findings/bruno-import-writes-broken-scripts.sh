#!/usr/bin/env bash
# @usebruno/converters 0.23.0: the import of a Postman collection makes scripts that cannot run, and reports nothing.
#
# Guess: what the converter cannot translate stays as it was, or is listed among the `issues` that it returns.
# What happens: each use of pm.request.method becomes req.getMethod(), also on the left of an assignment, where
#   JavaScript throws. `issues` is empty. newman runs the same script. The methods of pm.request.url stay behind a
#   req.getUrl() that is a text and has none of them.
# Why it matters: a collection that signs its requests in a script sends all of them unsigned or not at all after an import
#   that looked complete.
# Needs Node.js 20 or newer and npm. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts @usebruno/converters@0.23.0 newman@6.2.2
cat >find.js <<'JS'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { runInNewContext } from 'node:vm'
import converters from '@usebruno/converters'
import newman from 'newman'

const server = createServer((request, response) => response.end(`${request.method} ${request.url}`))
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const exec = ["pm.request.method = 'PUT'", "pm.request.url.update(pm.request.url.toString() + '?signed=1')"]
const collection = {
  info: { name: 'one', schema: 'https://schema.getpostman.com/json/collection/v2.1.0/collection.json' },
  item: [
    {
      name: 'one',
      event: [{ listen: 'prerequest', script: { type: 'text/javascript', exec } }],
      request: { method: 'POST', url: `http://127.0.0.1:${server.address().port}/a`, header: [] },
    },
  ],
}

const summary = await new Promise((resolve, reject) => {
  newman.run({ collection }, (error, result) => (error ? reject(error) : resolve(result)))
})
console.log(`newman sends ${summary.run.executions[0].response.text()}`)

const { collection: imported, issues } = await converters.postmanToBruno(collection)
const script = imported.items[0].request.script.req
console.log(script.trim())
try {
  runInNewContext(script, { req: { getMethod: () => 'POST', getUrl: () => 'http://127.0.0.1/a' } })
  console.log('it runs')
} catch (error) {
  console.log(`${error.name}: ${error.message}`)
}
console.log(`issues: ${JSON.stringify(issues)}`)
server.close()
process.exit(0)
JS
node find.js | tee output
diff output - <<'EXPECTED'
newman sends PUT /a?signed=1
req.getMethod() = 'PUT'
req.getUrl().update(req.getUrl().toString() + '?signed=1')
ReferenceError: Invalid left-hand side in assignment
issues: []
EXPECTED
