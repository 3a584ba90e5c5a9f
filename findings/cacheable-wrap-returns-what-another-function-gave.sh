#!/usr/bin/env bash
# cacheable 2.5.0: wrap() returns what another function has given: the key is the name of the function and the JSON of the arguments.
#
# Guess: two functions that one cache wraps have entries of their own, also without the option `keyPrefix`. An error of the
#   function reaches the caller; the README says that wrap() "will return the error".
# What happens: functions of the same name share their entries: arrow functions that are written in place have no name at all,
#   and methods of two objects are often both called `get`. The second one is not called, and its caller gets the value
#   of the first. The option `key` of the README changes nothing; a `keyPrefix` for each function keeps the entries apart.
#   Arguments are told apart by their JSON, so that all sets are equal. An error becomes the result undefined.
# Why it matters: a balance is returned where a limit was asked for, without an error, for as long as the entry lives. A call
#   that failed looks like one that found nothing.
# Needs Node.js 20 or newer and npm. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts cacheable@2.5.0 @cacheable/utils@2.5.0
cat >find.js <<'JS'
import { Cacheable } from 'cacheable'

const cache = new Cacheable()
const show = (name, ...values) => console.log(`${name}: ${values.join(', ')}`)

const balance = async id => `balance of ${id}`
const limit = async id => `limit of ${id}`
show('names of their own', await cache.wrap(balance, { ttl: '1h' })('a'), await cache.wrap(limit, { ttl: '1h' })('a'))

const balanceInPlace = cache.wrap(async id => `balance of ${id}`, { ttl: '1h' })
const limitInPlace = cache.wrap(async id => `limit of ${id}`, { ttl: '1h' })
show('arrow functions in place', await balanceInPlace('b'), await limitInPlace('b'))

const balances = { get: async id => `balance of ${id}` }
const limits = { get: async id => `limit of ${id}` }
show('two methods get', await cache.wrap(balances.get, { ttl: '1h' })('c'), await cache.wrap(limits.get, { ttl: '1h' })('c'))

const withKey = (get, key) => cache.wrap(get, { ttl: '1h', key })('d')
show('with a key', await withKey(balances.get, 'balances'), await withKey(limits.get, 'limits'))

const prefixed = cache.wrap(limits.get, { ttl: '1h', keyPrefix: 'limits' })
show('with a keyPrefix', await prefixed('c'))

const sizeOf = cache.wrap(async function sizeOf(set) { return set.size }, { ttl: '1h' })
show('sets of 1, 2 and 3', await sizeOf(new Set([1])), await sizeOf(new Set([1, 2])), await sizeOf(new Set([1, 2, 3])))

const failing = async function failing() { throw new Error('down') }
const told = call => call().then(value => `result ${value}`, error => `error ${error.message}`)
show('an error', await told(cache.wrap(failing, { ttl: '1h' })))
JS
node find.js | tee output
diff output - <<'EXPECTED'
names of their own: balance of a, limit of a
arrow functions in place: balance of b, balance of b
two methods get: balance of c, balance of c
with a key: balance of d, balance of d
with a keyPrefix: limit of c
sets of 1, 2 and 3: 1, 1, 1
an error: result undefined
EXPECTED
