#!/usr/bin/env bash
# swagger-typescript-api 13.13.0, @hey-api/openapi-ts 0.95.0: headers given as a Headers object or as pairs compile and are not sent.
#
# Guess: a generated function whose type takes the `headers` of fetch sends them in each of the three forms that fetch has: an
#   object, a Headers object, a list of pairs.
# What happens: the generated code copies `headers` with a spread. A Headers object has no members of its own, so nothing is
#   sent, without an error; a list of pairs becomes headers that are named 0, 1, 2. Only a plain object works. The generated
#   function of swagger-typescript-api does not ask for a required header of the document either. openapi-fetch 0.17.0 takes a
#   Headers object and loses a list of pairs; oazapfts 7.5.0 sends all three forms.
# Why it matters: the Idempotency-Key is such a header. Without it the server either refuses, or places an order for each
#   retry.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts swagger-typescript-api@13.13.0 @hey-api/openapi-ts@0.95.0 \
  oazapfts@7.5.0 openapi-fetch@0.17.0 openapi-typescript@7.13.0 typescript@5.9.3 esbuild@0.25.12
cat >api.json <<'JSON'
{
  "openapi": "3.0.3",
  "info": { "title": "orders", "version": "1" },
  "paths": {
    "/orders": {
      "post": {
        "operationId": "placeOrder",
        "requestBody": {
          "required": true,
          "content": { "application/json": { "schema": { "type": "object", "properties": { "amount": { "type": "number" } } } } }
        },
        "responses": { "201": { "description": "placed", "content": { "application/json": { "schema": { "type": "object" } } } } }
      }
    },
    "/payments": {
      "post": {
        "operationId": "pay",
        "parameters": [{ "in": "header", "name": "Idempotency-Key", "required": true, "schema": { "type": "string" } }],
        "responses": { "201": { "description": "paid", "content": { "application/json": { "schema": { "type": "object" } } } } }
      }
    }
  }
}
JSON
cat >find.ts <<'TS'
import createClient from 'openapi-fetch'
import { client } from './hey/client.gen'
import { placeOrder as placeWithHey } from './hey/sdk.gen'
import { placeOrder as placeWithOazapfts } from './oazapfts'
import type { paths } from './openapi-fetch'
import { Api } from './swagger-typescript-api'

let sent = new Headers()
globalThis.fetch = async (input, init) => {
  sent = new Request(input, init).headers
  return Response.json({}, { status: 201 })
}
const baseUrl = 'http://127.0.0.1'
client.setConfig({ baseUrl })
const api = new Api({ baseUrl })
const openapiFetch = createClient<paths>({ baseUrl })
const body = { amount: 1 }
const forms: [string, HeadersInit][] = [
  ['an object', { 'Idempotency-Key': 'key-1' }],
  ['a Headers object', new Headers({ 'Idempotency-Key': 'key-1' })],
  ['a list of pairs', [['Idempotency-Key', 'key-1']]],
]
const clients: [string, (headers: HeadersInit) => Promise<unknown>][] = [
  ['swagger-typescript-api', headers => api.orders.placeOrder(body, { headers })],
  ['@hey-api/openapi-ts', headers => placeWithHey({ body, headers })],
  ['oazapfts', headers => placeWithOazapfts(body, { baseUrl, headers })],
  ['openapi-fetch', headers => openapiFetch.POST('/orders', { body, headers })],
]
for (const [name, place] of clients) {
  for (const [form, headers] of forms) {
    await place(headers)
    console.log(`${name}, ${form}: Idempotency-Key ${sent.get('Idempotency-Key')}`)
  }
}
await api.payments.pay()
console.log(`swagger-typescript-api, a required Idempotency-Key: not asked for, ${sent.get('Idempotency-Key')}`)
TS
PATH=$folder/node_modules/.bin:$PATH
{
  swagger-typescript-api generate -p api.json -o . -n swagger-typescript-api.ts
  openapi-ts -i api.json -o hey
  oazapfts api.json oazapfts.ts
  openapi-typescript api.json -o openapi-fetch.d.ts
} >log 2>&1 || { cat log >&2; exit 1; }
tsc --noEmit --strict --skipLibCheck --target es2022 --module esnext --moduleResolution bundler --lib es2022,dom,dom.iterable \
  find.ts
esbuild --bundle --platform=node --format=esm --log-level=error --outfile=find.js find.ts
node find.js | tee output
diff output - <<'EXPECTED'
swagger-typescript-api, an object: Idempotency-Key key-1
swagger-typescript-api, a Headers object: Idempotency-Key null
swagger-typescript-api, a list of pairs: Idempotency-Key null
@hey-api/openapi-ts, an object: Idempotency-Key key-1
@hey-api/openapi-ts, a Headers object: Idempotency-Key null
@hey-api/openapi-ts, a list of pairs: Idempotency-Key null
oazapfts, an object: Idempotency-Key key-1
oazapfts, a Headers object: Idempotency-Key key-1
oazapfts, a list of pairs: Idempotency-Key key-1
openapi-fetch, an object: Idempotency-Key key-1
openapi-fetch, a Headers object: Idempotency-Key key-1
openapi-fetch, a list of pairs: Idempotency-Key null
swagger-typescript-api, a required Idempotency-Key: not asked for, null
EXPECTED
