import { once } from 'node:events'
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Duplex } from 'node:stream'
import { Worker } from 'node:worker_threads'
import { lockDirectory } from './data-lock.ts'
import { type Database, openDatabase } from './database.ts'

/** The major version of PostgreSQL that the embedded database is; its files are readable by that one only. */
const MAJOR = '18'
/** initdb takes 4-5 s here, opening 0.5 s; a slow disk may need more, a damaged directory can hang. */
const START_DEADLINE_MS = 60_000

/**
 * Opens, and creates where there is none, the PostgreSQL-compatible database that the service carries with it
 * (PGlite) under `dataDir`. It runs inside this process, opens no port and leaves no process behind. What was
 * committed survives the death of the process at any point; it does not fsync, so a power cut or a crash of the
 * operating system may cost the last seconds. Throws plain Errors that say what is wrong with the directory.
 */
export async function openEmbedded(
  dataDir: string,
  onProgress: (text: string) => void = () => {},
): Promise<Database> {
  const root = resolve(dataDir)
  const lock = lockDirectory(root)
  try {
    const directory = join(root, 'postgres')
    if (!existsSync(directory)) {
      onProgress(`creating the embedded database in ${directory} (a few seconds, once)`)
      await create(directory)
    }
    checkVersion(directory)
    const worker = await start(directory)
    const database = openDatabase(undefined, { socket: () => new WorkerSocket(worker) })
    return {
      ...database,
      async close() {
        await database.close()
        await stop(worker)
        lock.release()
      },
    }
  } catch (error) {
    lock.release()
    throw error
  }
}

/** In a directory beside it, renamed when whole: a process killed in the middle leaves nothing half made. */
async function create(directory: string): Promise<void> {
  const draft = `${directory}.new`
  rmSync(draft, { recursive: true, force: true })
  await stop(await start(draft))
  renameSync(draft, directory)
}

function checkVersion(directory: string): void {
  const file = join(directory, 'PG_VERSION')
  const found = existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined
  if (found === MAJOR) return
  throw damaged(
    directory,
    found === undefined ? 'it has no PG_VERSION' : `it is of PostgreSQL ${found}, this is ${MAJOR}`,
  )
}

/** In the words of the worker. */
const DISK_FULL = 'the disk is full'

function damaged(directory: string, reason: string): Error {
  return new Error(
    `the embedded database in ${directory} cannot be opened: ${reason}. ` +
      (reason === DISK_FULL
        ? 'Make room and start again'
        : 'Restore the directory from a copy, or move it away to start with an empty one'),
  )
}

const WORKER = new URL('./embedded-worker.js', import.meta.url)

async function start(directory: string): Promise<Worker> {
  const worker = new Worker(WORKER, { workerData: { directory }, stdout: true, stderr: true })
  const deadline = AbortSignal.timeout(START_DEADLINE_MS)
  try {
    const [message]: unknown[] = await Promise.race([
      once(worker, 'message', { signal: deadline }),
      once(worker, 'exit', { signal: deadline }).then(([code]) => [{ failed: `it ended with code ${code}` }]),
    ])
    if (message === 'ready') return worker
    throw damaged(directory, failure(message))
  } catch (error) {
    await worker.terminate()
    if (error instanceof Error && error.message.startsWith('the embedded database')) throw error
    const reason = deadline.aborted ? `it did not open within ${START_DEADLINE_MS / 1000} s` : String(error)
    throw damaged(directory, reason)
  }
}

function failure(message: unknown): string {
  return typeof message === 'object' && message !== null && 'failed' in message
    ? String(message.failed)
    : 'it failed'
}

async function stop(worker: Worker): Promise<void> {
  const ended = once(worker, 'exit')
  worker.postMessage('close')
  await ended
}

const TERMINATE = 'X'.charCodeAt(0)

/** The wire to the worker: what postgres.js writes are whole messages, what comes back is passed on as it comes. */
class WorkerSocket extends Duplex {
  readonly #worker: Worker
  readonly #receive = (chunk: Uint8Array) => {
    this.push(chunk)
  }
  readonly #gone = () => {
    this.destroy(Object.assign(new Error('the embedded database ended'), { code: 'ECONNRESET' }))
  }

  constructor(worker: Worker) {
    super()
    this.#worker = worker
    worker.on('message', this.#receive)
    worker.once('exit', this.#gone)
  }

  /** As net.Socket says it: the driver asks before it ends the connection. */
  get readyState(): 'open' | 'closed' {
    return this.destroyed ? 'closed' : 'open'
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    // The session outlives each connection of the driver: Terminate would end the database itself.
    if (chunk[0] !== TERMINATE) this.#worker.postMessage(new Uint8Array(chunk))
    done()
  }

  override _final(done: () => void): void {
    this.push(null)
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#worker.off('message', this.#receive)
    this.#worker.off('exit', this.#gone)
    done(error)
  }
}
