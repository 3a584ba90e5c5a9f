#!/usr/bin/env bash
# another-json 0.2.0 writes "\U000F", which is not JSON; canonical-json 0.4.0 and json-canonicalize 3.0.1 leave members unsorted.
#
# Guess: packages for canonical JSON write the same bytes for plain values, their output is JSON, and what is parsed and written
#   again stays as it is. That is RFC 8785, which canonicalize 5.1.0 follows, and what a signature over them needs.
# What happens: another-json has control characters with a capital U: no JSON parser reads that, and canonicaljson 1.6.2, the same
#   format for Python (Debian 12), writes "\u000f". canonical-json sorts and then builds an object: names that are whole
#   numbers come first and as numbers, 9 before 10. canonical-json and json-canonicalize do not sort what a toJSON() returned, so
#   that an object and its parsed copy have different texts.
# Why it matters: a signature verifies until the first name with an escape sequence (terminals send \u001b), the first map by
#   order number, or the first value with toJSON(), such as a Buffer or an amount of dinero.js.
# Needs apt-get of Debian 12, Python 3, Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts another-json@0.2.0 canonical-json@0.4.0 json-canonicalize@3.0.1 \
  canonicalize@5.1.0
apt-get download -q python3-canonicaljson=1.6.2-1 python3-simplejson 2>&1 | grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done
cat >find.js <<'JS'
import { execFileSync } from 'node:child_process'
import anotherJson from 'another-json'
import canonicalJson from 'canonical-json'
import canonicalize from 'canonicalize'
import { canonicalize as jsonCanonicalize } from 'json-canonicalize'

const python = (value) => {
  const script = 'import canonicaljson, json, sys; print(canonicaljson.encode_canonical_json(json.load(sys.stdin)).decode())'
  const env = { ...process.env, PYTHONPATH: 'root/usr/lib/python3/dist-packages' }
  return execFileSync('python3', ['-c', script], { input: JSON.stringify(value), env }).toString().trim()
}
const packages = {
  canonicalize,
  'another-json': anotherJson.stringify,
  'canonical-json': canonicalJson,
  'json-canonicalize': jsonCanonicalize,
  'canonicaljson (Python)': python,
}
const values = {
  'control character': { name: 'Ann\u000f' },
  'numbers as names': { 10: 'b', 9: 'a', x: 'c' },
  'toJSON()': { amount: { toJSON: () => ({ value: 1990, currency: 'EUR' }) } },
}
for (const [name, value] of Object.entries(values)) {
  for (const [packageName, write] of Object.entries(packages)) {
    if (packageName === 'another-json' && name === 'toJSON()') continue
    const text = write(value)
    let again
    try {
      again = write(JSON.parse(text)) === text ? 'stays when it is parsed and written again' : 'does not stay'
    } catch (error) {
      again = error.name
    }
    console.log(`${name}, ${packageName}: ${text}: ${again}`)
  }
}
JS
node find.js | tee output
diff output - <<'EXPECTED'
control character, canonicalize: {"name":"Ann\u000f"}: stays when it is parsed and written again
control character, another-json: {"name":"Ann\U000F"}: SyntaxError
control character, canonical-json: {"name":"Ann\u000f"}: stays when it is parsed and written again
control character, json-canonicalize: {"name":"Ann\u000f"}: stays when it is parsed and written again
control character, canonicaljson (Python): {"name":"Ann\u000f"}: stays when it is parsed and written again
numbers as names, canonicalize: {"10":"b","9":"a","x":"c"}: stays when it is parsed and written again
numbers as names, another-json: {"10":"b","9":"a","x":"c"}: stays when it is parsed and written again
numbers as names, canonical-json: {"9":"a","10":"b","x":"c"}: stays when it is parsed and written again
numbers as names, json-canonicalize: {"10":"b","9":"a","x":"c"}: stays when it is parsed and written again
numbers as names, canonicaljson (Python): {"10":"b","9":"a","x":"c"}: stays when it is parsed and written again
toJSON(), canonicalize: {"amount":{"currency":"EUR","value":1990}}: stays when it is parsed and written again
toJSON(), canonical-json: {"amount":{"value":1990,"currency":"EUR"}}: does not stay
toJSON(), json-canonicalize: {"amount":{"value":1990,"currency":"EUR"}}: does not stay
toJSON(), canonicaljson (Python): {"amount":{"currency":"EUR","value":1990}}: stays when it is parsed and written again
EXPECTED
