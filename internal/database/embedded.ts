import { once } from 'node:events'
import { chmodSync, existsSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Duplex } from 'node:stream'
import { setFlagsFromString } from 'node:v8'
import { Worker } from 'node:worker_threads'
import { errorMessage } from '../core/error-message.ts'
import { lockDirectory } from './data-lock.ts'
import { type Database, openDatabase } from './database.ts'
import { embeddedUpkeep, type UpkeepOptions } from './embedded-upkeep.ts'
import { unpackInitialData } from './initial-data.ts'

/** The PostgreSQL major version of the embedded database. Other versions cannot read its files. */
const MAJOR = '18'
/** Opening took 0.5 s (measured). A slow disk may need more; a damaged directory can hang. */
const OPEN_DEADLINE_MS = 60_000
/** initdb took 4 to 5 s (measured), and minutes on a very busy machine. */
const CREATE_DEADLINE_MS = 600_000
/** Longer than for a server: the first statements are compiled, and a busy machine may be slow. */
const STATEMENT_DEADLINE_MS = 15_000

export interface EmbeddedOptions {
  onProgress?: (text: string) => void
  createDeadlineMs?: number
  upkeep?: UpkeepOptions
}

/**
 * Opens the embedded database (PGlite, compatible with PostgreSQL) under `dataDir`, and creates it if it does not exist.
 * It runs inside this process and opens no port. Commits survive the end of the process at any moment. It does not call
 * fsync, so a power failure or a crash of the operating system may lose the last seconds. Throws an Error that says what
 * is wrong with the directory.
 */
export async function openEmbedded(
  dataDir: string,
  { onProgress, createDeadlineMs = CREATE_DEADLINE_MS, upkeep: options }: EmbeddedOptions = {},
): Promise<Database> {
  // Also applies to files that the worker thread creates later.
  process.umask(0o077)
  const root = resolve(dataDir)
  const lock = lockDirectory(root)
  try {
    const directory = join(root, 'postgres')
    const isNew = !existsSync(directory)
    const first: Opening = { isNew: true, deadlineMs: createDeadlineMs }
    // The worker loads PGlite while the files are created.
    const worker = newWorker()
    try {
      if (isNew) {
        onProgress?.(`creating the embedded database in ${directory} (a few seconds, once)`)
        await create(directory, first)
      }
      makePrivate(directory)
      checkVersion(directory)
      await open(worker, directory, isNew ? first : { isNew, deadlineMs: OPEN_DEADLINE_MS })
    } catch (error) {
      await worker.terminate()
      throw error
    }
    const database = openDatabase(undefined, {
      deadlineMs: STATEMENT_DEADLINE_MS,
      socket: () => new WorkerSocket(worker),
    })
    const upkeep = embeddedUpkeep(database, options)
    return {
      ...database,
      async close() {
        await upkeep.stop()
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

/**
 * Creates the files in a temporary directory and renames it when it is complete, so that a killed process leaves no
 * incomplete database. Unpacks the files of the build; runs initdb, which takes seconds, if there are none or if this
 * version of PGlite cannot open them.
 */
async function create(directory: string, opening: Opening): Promise<void> {
  const temporary = `${directory}.new`
  rmSync(temporary, { recursive: true, force: true })
  const unpacked = unpack(directory, temporary)
  if (unpacked === 'none') await initialise(temporary, opening)
  if (unpacked === 'older') {
    try {
      await initialise(temporary, opening)
    } catch {
      rmSync(temporary, { recursive: true, force: true })
      await initialise(temporary, opening)
    }
  }
  renameSync(temporary, directory)
}

function unpack(directory: string, temporary: string) {
  try {
    return unpackInitialData(temporary)
  } catch (error) {
    const isFull = error instanceof Error && 'code' in error && error.code === 'ENOSPC'
    throw notCreated(directory, isFull ? DISK_FULL : errorMessage(error))
  }
}

function checkVersion(directory: string): void {
  const file = join(directory, 'PG_VERSION')
  const found = existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined
  if (found === MAJOR) return
  throw damaged(
    directory,
    found === undefined
      ? 'it has no PG_VERSION'
      : `it is of PostgreSQL ${found}, but this version needs ${MAJOR}`,
  )
}

/** The text of the worker. */
const DISK_FULL = 'the disk is full'

function damaged(directory: string, reason: string): Error {
  return new Error(
    `the embedded database in ${directory} cannot be opened: ${reason}. ` +
      (reason === DISK_FULL
        ? 'Make room and start again'
        : 'Restore the directory from a copy, or move it away to start with an empty one'),
  )
}

function notCreated(directory: string, reason: string): Error {
  return new Error(
    `the embedded database in ${directory} cannot be created: ${reason}. ` +
      (reason === DISK_FULL
        ? 'Make room and start again, or set DATA_DIR to another place'
        : 'No data is lost: start again when the machine is less busy, or set DATABASE_URL to a server'),
  )
}

/** The first opening of a new directory, or a later one. */
interface Opening {
  isNew: boolean
  deadlineMs: number
}

const WORKER = new URL('./embedded-worker.js', import.meta.url)

/**
 * V8 optimises a WASM function after this many bytes of its code have run. With the default of Node.js 20, 1.8 million,
 * hundreds of functions are optimised while the database opens, which took more CPU than the rest of the start.
 */
const OPTIMISED_AFTER_BYTES = 100_000_000

function newWorker(): Worker {
  // Applies to the whole process, which has no other large WASM module. V8 reads the flag when it compiles a module.
  setFlagsFromString(`--wasm-tiering-budget=${OPTIMISED_AFTER_BYTES}`)
  return new Worker(WORKER, { stdout: true, stderr: true })
}

/** Throws an Error for the operator if the worker cannot open `directory`. */
async function open(worker: Worker, directory: string, { isNew, deadlineMs }: Opening): Promise<void> {
  const failed = isNew ? notCreated : damaged
  const deadline = AbortSignal.timeout(deadlineMs)
  const responded = Promise.race([
    once(worker, 'message', { signal: deadline }),
    once(worker, 'exit', { signal: deadline }).then(([code]) => [{ failed: `it ended with code ${code}` }]),
  ])
  worker.postMessage({ open: directory })
  let message: unknown
  try {
    const parts: unknown[] = await responded
    message = parts[0]
  } catch (error) {
    throw failed(
      directory,
      deadline.aborted ? `it did not open within ${deadlineMs / 1000} s` : String(error),
    )
  }
  if (message !== 'ready') throw failed(directory, failure(message))
}

/** Creates the files of a new database with initdb. */
async function initialise(directory: string, opening: Opening): Promise<void> {
  const worker = newWorker()
  try {
    await open(worker, directory, opening)
    await stop(worker)
  } catch (error) {
    await worker.terminate()
    throw error
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

/** A stream between postgres.js, which writes complete messages, and the worker. */
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

  /** As in net.Socket; the driver reads it before it ends the connection. */
  get readyState(): 'open' | 'closed' {
    return this.destroyed ? 'closed' : 'open'
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    // Terminate is not forwarded: it would end the database, but only a connection of the driver ends.
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

/** Gives only the owner access to the directory and its content. */
function makePrivate(directory: string): void {
  chmodSync(directory, 0o700)
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) makePrivate(path)
    else if (entry.isFile()) chmodSync(path, 0o600)
  }
}
