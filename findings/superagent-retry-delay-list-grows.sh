#!/usr/bin/env bash
# superagent-retry-delay 3.1.0: a list of delays that two requests share makes the second one throw.
#
# Guess: retry(4, [10, 20]) waits 10 ms and then 20 ms each time, for every request that is given the list.
# What happens: the list that was passed is made longer, by one more than there are retries. The next request with it throws
#   "Cannot have more delays than retries" before it is sent. A list that is as long as the number of retries stays as it
#   is.
# Why it matters: `const DELAYS = [100, 500]` at the top of a module is how one writes it. The first request of the process
#   succeeds, and each later one fails.
# Needs Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts superagent-retry-delay@3.1.0 superagent@9.0.2
cat >find.js <<'JS'
import { once } from 'node:events'
import { createServer } from 'node:http'
import superagent from 'superagent'
import withDelays from 'superagent-retry-delay'

withDelays(superagent)
let count = 0
const server = createServer((request, response) => {
  count++
  response.writeHead(200).end()
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')

const url = `http://127.0.0.1:${server.address().port}/orders`
for (const [retries, delays] of [
  [2, [10, 20]],
  [4, [10, 20]],
]) {
  for (const name of ['first', 'second']) {
    count = 0
    let outcome
    try {
      outcome = (await superagent.get(url).retry(retries, delays)).status
    } catch (error) {
      outcome = error.message
    }
    console.log(`retry(${retries}, list), ${name} request: ${outcome}, sent ${count} times, list is ${delays}`)
  }
}
server.close()
process.exit()
JS
node find.js | tee output
diff output - <<'EXPECTED'
retry(2, list), first request: 200, sent 1 times, list is 10,20
retry(2, list), second request: 200, sent 1 times, list is 10,20
retry(4, list), first request: 200, sent 1 times, list is 10,20,20,20,20
retry(4, list), second request: Cannot have more delays than retries, sent 0 times, list is 10,20,20,20,20
EXPECTED
