#!/usr/bin/env bash
# postgres (postgres.js) 3.4.9: the result after a failed statement begins with holes.
#
# Guess: a statement that fails leaves nothing behind for the next one on its connection.
# What happens: when a SELECT fails after its first rows (here a division by zero in the third), the driver keeps their
#   count. The next result on that connection is longer by it and begins with as many holes: rows[0] is undefined and
#   rows.length is not the number of rows. One statement later it is right again.
# Why it matters: `const [row] = await sql...` then says "there is no such order" or "the key is free" of a row that is
#   there, in another request than the one that failed.
# Needs Node.js 20 or newer and npm; the server is PGlite, over TCP on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund postgres@3.4.9 @electric-sql/pglite@0.5.14 \
  @electric-sql/pglite-socket@0.2.17 --legacy-peer-deps
cat >find.js <<'JS'
import { PGlite } from '@electric-sql/pglite'
import { PGLiteSocketServer } from '@electric-sql/pglite-socket'
import postgres from 'postgres'

const server = new PGLiteSocketServer({ db: await PGlite.create(), host: '127.0.0.1', port: 0 })
await server.start()
const { port } = server.server.address()
const sql = postgres({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres', max: 1 })
await sql`SELECT 10 / (3 - n) FROM generate_series(1, 3) AS n`.catch((error) => console.log(error.message))
for (const statement of ['next', 'one later']) {
  const rows = await sql`SELECT 'a' AS value`
  console.log(`${statement}: length ${rows.length}, first ${JSON.stringify(rows[0])}`)
}
await sql.end()
await server.stop()
process.exit(0)
JS
node --version
node find.js | tee output
diff output - <<'EXPECTED'
division by zero
next: length 3, first undefined
one later: length 1, first {"value":"a"}
EXPECTED
