import { once } from 'node:events'
import { chmodSync, existsSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Duplex } from 'node:stream'
import { setFlagsFromString } from 'node:v8'
import { Worker } from 'node:worker_threads'
import { lockDirectory } from './data-lock.ts'
import { type Database, openDatabase } from './database.ts'
import { embeddedUpkeep, type UpkeepOptions } from './embedded-upkeep.ts'
import { unpackInitialData } from './initial-data.ts'

/** The major version of PostgreSQL that the embedded database is; its files are readable by that one only. */
const MAJOR = '18'
/** Opening takes 0.5 s here; a slow disk may need more, a damaged directory can hang. */
const OPEN_DEADLINE_MS = 60_000
/** initdb takes 4-5 s here, minutes on a machine that is very busy. */
const CREATE_DEADLINE_MS = 600_000
/** It runs in this process: it may be slow on a busy machine, where its first statements compile, but it is never away. */
const STATEMENT_DEADLINE_MS = 15_000

export interface EmbeddedOptions {
  onProgress?: (text: string) => void
  createDeadlineMs?: number
  upkeep?: UpkeepOptions
}

/**
 * Opens, and creates where there is none, the PostgreSQL-compatible database that the service carries with it
 * (PGlite) under `dataDir`. It runs inside this process, opens no port and leaves no process behind. What was
 * committed survives the death of the process at any point; it does not fsync, so a power cut or a crash of the
 * operating system may cost the last seconds. Throws plain Errors that say what is wrong with the directory.
 */
export async function openEmbedded(
  dataDir: string,
  { onProgress, createDeadlineMs = CREATE_DEADLINE_MS, upkeep: options }: EmbeddedOptions = {},
): Promise<Database> {
  // Also for what its thread creates from now on, which asks for nothing better than the mask allows.
  process.umask(0o077)
  const root = resolve(dataDir)
  const lock = lockDirectory(root)
  try {
    const directory = join(root, 'postgres')
    const isNew = !existsSync(directory)
    const first: Opening = { isNew: true, deadlineMs: createDeadlineMs }
    // It loads PGlite while its files are made.
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
 * In a directory beside it, renamed when whole: a process killed in the middle leaves nothing half made. Unpacked from
 * what the build made; by initdb, which takes seconds, where there is none or this PGlite does not open it.
 */
async function create(directory: string, opening: Opening): Promise<void> {
  const draft = `${directory}.new`
  rmSync(draft, { recursive: true, force: true })
  const unpacked = unpackInitialData(draft)
  if (unpacked === 'none') await initialise(draft, opening)
  if (unpacked === 'older') {
    try {
      await initialise(draft, opening)
    } catch {
      rmSync(draft, { recursive: true, force: true })
      await initialise(draft, opening)
    }
  }
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

function notCreated(directory: string, reason: string): Error {
  return new Error(
    `the embedded database in ${directory} cannot be created: ${reason}. ` +
      (reason === DISK_FULL
        ? 'Make room and start again'
        : 'Nothing is lost, it was empty: start again when the machine is less busy, or set DATABASE_URL to a server'),
  )
}

/** The first opening of a new directory, or a later one. */
interface Opening {
  isNew: boolean
  deadlineMs: number
}

const WORKER = new URL('./embedded-worker.js', import.meta.url)

/**
 * A function of the database is optimised after so many bytes of its code have run. With the default of Node.js 20, 1.8
 * million, hundreds are optimised while the database opens, which took more CPU than the rest of the start.
 */
const OPTIMISED_AFTER_BYTES = 100_000_000

function newWorker(): Worker {
  // Of the whole process, which has no other WebAssembly to speak of. V8 reads it when it compiles a module.
  setFlagsFromString(`--wasm-tiering-budget=${OPTIMISED_AFTER_BYTES}`)
  return new Worker(WORKER, { stdout: true, stderr: true })
}

/** Throws an Error for the operator when the worker cannot open `directory`. */
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

/** Makes the files of a new database by initdb. */
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

/** For its owner alone: the directory, which keeps other users out, and what is in it. */
function makePrivate(directory: string): void {
  chmodSync(directory, 0o700)
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) makePrivate(path)
    else if (entry.isFile()) chmodSync(path, 0o600)
  }
}
