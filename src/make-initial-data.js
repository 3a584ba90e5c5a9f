// Writes the data directory of a new embedded database into one file, which internal/database/initial-data.ts unpacks.
// initdb takes 3 to 5 s of CPU: the build spends them once, and no first start does.
// Usage: node --liftoff-only src/make-initial-data.js FILE VERSION_OF_PGLITE
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { brotliCompressSync, constants } from 'node:zlib'
import { PGlite } from '@electric-sql/pglite'

const [file = '', pglite = ''] = process.argv.slice(2)
const DATA = '/pglite/data'
/** The three databases of a new cluster are alike, 7 MB each: equal files are stored once. */
const chunks = []
const places = new Map()
const index = { pglite, directories: [], files: [] }
let length = 0

// In memory: nothing has to reach a disk before the file is written.
const database = await PGlite.create({ initDbStartParams: ['--no-sync'] })
const { FS } = database.Module
// Its files outlive the database, which has written its last checkpoint then.
await database.close()
add('')

const header = Buffer.from(JSON.stringify(index))
const size = Buffer.alloc(4)
size.writeUInt32LE(header.length)
const whole = Buffer.concat([size, header, ...chunks])
const params = {
  // 4 takes half the time of 5, and makes no more bytes of this.
  [constants.BROTLI_PARAM_QUALITY]: 4,
  [constants.BROTLI_PARAM_LGWIN]: 24,
  [constants.BROTLI_PARAM_SIZE_HINT]: whole.length,
}
writeFileSync(file, brotliCompressSync(whole, { params }))

function add(path) {
  for (const name of FS.readdir(DATA + path).sort()) {
    if (name === '.' || name === '..') continue
    const inner = `${path}/${name}`
    if (FS.isDir(FS.stat(DATA + inner).mode)) {
      index.directories.push(inner.slice(1))
      add(inner)
    } else {
      const content = FS.readFile(DATA + inner)
      index.files.push([inner.slice(1), place(content), content.length])
    }
  }
}

/** Where these bytes are. */
function place(content) {
  const hash = createHash('sha256').update(content).digest('hex')
  const known = places.get(hash)
  if (known !== undefined) return known
  const at = length
  places.set(hash, at)
  chunks.push(content)
  length += content.length
  return at
}
