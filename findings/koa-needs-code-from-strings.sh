#!/usr/bin/env bash
# koa 3.3.0 does not load where code from strings is disallowed: http-assert brings http-errors 1.8 and depd 1.1.2, which calls eval.
#
# Guess: a server of 2026 loads with `node --disallow-code-generation-from-strings`, which takes eval and new Function from injected
#   code; depd has done without eval since version 2.0.0 (2018).
# What happens: `require('koa')` throws EvalError, for Koa 3 and Koa 2 alike. Koa itself asks for http-errors 2 (depd 2), but also for
#   http-assert 1.5, whose newest version asks for http-errors ~1.8 and gets depd 1.1.2: it wraps a deprecated function by eval while
#   it loads. express 5 and fastify 5 load.
# Why it matters: the flag cannot be used for any app on Koa, and nothing says so before it is tried. In a project of your own
#   `"overrides": { "http-assert": { "http-errors": "2.0.1" } }` in package.json gets rid of it, as the last line shows.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
try() {
  for name in "$@"; do
    cat >try.cjs <<JS
try {
  require('$name')
  console.log('$name: loads')
} catch ({ name, stack }) {
  console.log('$name: ' + name + ' in ' + /node_modules\/([\w-]+)\/index\.js/.exec(stack.split('at ')[1])?.[1])
}
JS
    node --disallow-code-generation-from-strings try.cjs
  done
}
echo '{"private":true}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts koa@3.3.0 koa2@npm:koa@2.16.4 express@5.1.0 fastify@5.6.1
try koa koa2 express fastify | tee output
rm -r node_modules package-lock.json
echo '{"private":true,"overrides":{"http-assert":{"http-errors":"2.0.1"}}}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts koa@3.3.0
echo 'with the override:' | tee -a output
try koa | tee -a output
diff output - <<'EXPECTED'
koa: EvalError in depd
koa2: EvalError in depd
express: loads
fastify: loads
with the override:
koa: loads
EXPECTED
