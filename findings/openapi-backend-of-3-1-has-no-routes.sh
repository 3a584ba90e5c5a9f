#!/usr/bin/env bash
# openapi-backend 5.21.2: a document that uses what is new in OpenAPI 3.1 leaves a backend without routes: each request is 404.
#
# Guess: "OpenAPI 3.1 support", as the README says: `const`, `summary` of the info, webhooks are valid. Without `strict: true` a
#   document that is not valid gives a warning, and the backend works.
# What happens: the document is judged by the schema of OpenAPI 3.0, whatever version it names. A document of version 3.1 passes
#   only while it uses nothing of 3.1. After the warning the operations are missing: init() resolves, and a request to a
#   path of the document is answered by the handler for 404. With `quick: true` nothing is judged, and all works.
# Why it matters: one `const` in a schema takes down all routes, and what one sees is a backend that has started and says that
#   its paths do not exist.
# Needs Node.js 20 or newer and npm; nothing listens. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts openapi-backend@5.21.2 openapi-schema-validator@12.1.3
cat >find.js <<'JS'
import { OpenAPIBackend } from 'openapi-backend'

const changes = {
  'nothing of 3.1': () => {},
  'a const': (_, schema) => {
    schema.properties.currency = { const: 'EUR' }
  },
  'two types': (_, schema) => {
    schema.properties.amount.type = ['number', 'string']
  },
  'a summary': document => {
    document.info.summary = 'Orders'
  },
  webhooks: document => {
    document.webhooks = {}
  },
}
for (const quick of [false, true]) {
  for (const [name, change] of Object.entries(changes)) {
    const schema = { type: 'object', properties: { amount: { type: 'number' } } }
    const definition = {
      openapi: '3.1.0',
      info: { title: 'orders', version: '1' },
      paths: {
        '/orders': {
          post: {
            operationId: 'placeOrder',
            requestBody: { required: true, content: { 'application/json': { schema } } },
            responses: { 201: { description: 'placed' } },
          },
        },
      },
    }
    change(definition, schema)
    let warning = 'no warning'
    console.warn = text => {
      if (/not valid OpenAPI/.test(text)) warning = 'a warning'
    }
    const handlers = { placeOrder: () => 201, notFound: () => 404, validationFail: () => 400 }
    const backend = new OpenAPIBackend({ definition, handlers, quick })
    await backend.init()
    const headers = { 'content-type': 'application/json' }
    const status = await backend.handleRequest({ method: 'POST', path: '/orders', headers, body: { amount: 5 } })
    console.log(`quick ${quick}, ${name}: ${warning}, POST /orders is ${status}`)
  }
}
JS
node find.js | tee output
diff output - <<'EXPECTED'
quick false, nothing of 3.1: no warning, POST /orders is 201
quick false, a const: a warning, POST /orders is 404
quick false, two types: a warning, POST /orders is 404
quick false, a summary: a warning, POST /orders is 404
quick false, webhooks: a warning, POST /orders is 404
quick true, nothing of 3.1: no warning, POST /orders is 201
quick true, a const: no warning, POST /orders is 201
quick true, two types: no warning, POST /orders is 201
quick true, a summary: no warning, POST /orders is 201
quick true, webhooks: no warning, POST /orders is 201
EXPECTED
