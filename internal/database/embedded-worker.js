import { once } from 'node:events'
import { parentPort } from 'node:worker_threads'
import { PGlite } from '@electric-sql/pglite'

/**
 * The embedded PostgreSQL (PGlite, WASM) in a worker thread, so that a query does not block the event loop of the service.
 * Input: {open: directory} once, then complete messages of the PostgreSQL protocol, or 'close'. Output: 'ready' or
 * {failed: reason} once, then chunks of responses. In JavaScript, because a worker is started by file name and tests run
 * the sources.
 */
const port = parentPort
if (port === null) throw new Error('this file runs as a worker thread')

/** @param {PGlite} db */
function serve(db) {
  /** @type {Promise<unknown>} */
  let last = Promise.resolve()
  port?.on('message', (/** @type {Uint8Array | 'close'} */ message) => {
    if (message === 'close') {
      last = last.then(() => db.close()).then(() => port?.close())
      return
    }
    // An error here means that the database has failed: it ends the thread, and with it the service.
    last = last.then(() =>
      db.runExclusive(() =>
        // Copy each chunk, because it is a view into the memory of the database.
        db.execProtocolRawStream(message, { onRawData: (chunk) => port?.postMessage(chunk.slice()) }),
      ),
    )
  })
}

/** ENOSPC in Emscripten, with which PGlite is compiled. */
const DISK_FULL = 51

/** The file system of Emscripten throws objects that are not Errors. @param {unknown} error */
function reasonOf(error) {
  if (error instanceof Error) return error.message
  if (typeof error !== 'object' || error === null || !('errno' in error)) return String(error)
  return error.errno === DISK_FULL ? 'the disk is full' : `its files cannot be used (errno ${error.errno})`
}

const [{ open }] = await once(port, 'message')
try {
  serve(await PGlite.create(open))
  port.postMessage('ready')
} catch (error) {
  port.postMessage({ failed: reasonOf(error) })
}
