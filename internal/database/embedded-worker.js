import { once } from 'node:events'
import { parentPort } from 'node:worker_threads'
import { PGlite } from '@electric-sql/pglite'

/**
 * The embedded PostgreSQL (PGlite, WASM) in a thread of its own, so that a query never blocks the event loop of
 * the service. In: {open: directory} once, then whole messages of the PostgreSQL wire protocol, or 'close'. Out: 'ready'
 * or {failed} once, then chunks of responses. JavaScript, because a worker thread is started by file name and tests run
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
    // An error here is the database itself dying: it ends the thread, and the service with it.
    last = last.then(() =>
      db.runExclusive(() =>
        // A copy of each chunk: they are views into the memory of the database.
        db.execProtocolRawStream(message, { onRawData: (chunk) => port?.postMessage(chunk.slice()) }),
      ),
    )
  })
}

/** ENOSPC as Emscripten, which PGlite is compiled with, numbers it. */
const DISK_FULL = 51

/** What Emscripten's file system throws is no Error. @param {unknown} error */
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
