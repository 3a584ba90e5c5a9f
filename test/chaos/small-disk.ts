import { execFile, execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmdirSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { errorMessage } from '../../internal/core/error-message.ts'

const run = promisify(execFile)

/** A file system of its own that can be filled up and have room again. */
export interface SmallDisk {
  readonly directory: string
  /** Not a block is left. */
  fill(): Promise<void>
  free(): Promise<void>
  /** When nothing on it is in use any more. */
  close(): void
}

/** Of a run of an hour; the file behind it has no blocks but those that are written. */
const SIZE = '2G'
const BLOCK_BYTES = 4_096

/** Why this machine cannot have one; undefined: it can. */
export function whyNoSmallDisk(): string | undefined {
  if (process.platform !== 'linux') return 'it mounts a file system, which is tried on Linux only'
  if (process.getuid?.() !== 0) return 'it mounts a file system, which takes root'
  const directory = mkdtempSync(join(tmpdir(), 'oncekey-mount-'))
  try {
    mount(['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory])
    execFileSync('umount', [directory], { stdio: 'pipe' })
    return undefined
  } catch (error) {
    return `it mounts a file system, and that fails: ${firstLine(error)}`
  } finally {
    rmdirSync(directory)
  }
}

/** ext4 in a file, so that fsync has its price; in memory where there is no loop device. */
export function openSmallDisk(scratch: string): SmallDisk {
  const directory = join(scratch, 'disk')
  const image = join(scratch, 'disk.img')
  mkdirSync(directory)
  try {
    execFileSync('truncate', ['-s', SIZE, image], { stdio: 'pipe' })
    // No blocks are reserved for root: what is full is full for everybody.
    execFileSync('mkfs.ext4', ['-q', '-F', '-m', '0', image], { stdio: 'pipe' })
    mount(['-o', 'loop', image, directory])
  } catch {
    mount(['-t', 'tmpfs', '-o', `size=${SIZE}`, 'tmpfs', directory])
  }
  let open = true
  const close = () => {
    if (!open) return
    open = false
    process.off('exit', close)
    execFileSync('umount', ['-l', directory], { stdio: 'ignore' })
  }
  process.once('exit', close)
  const fillers: string[] = []
  return {
    directory,
    async fill() {
      const { bavail, bsize } = statfsSync(directory)
      for (let bytes = bavail * bsize; bytes >= BLOCK_BYTES; ) {
        const file = join(directory, `filler-${fillers.length}`)
        fillers.push(file)
        try {
          await run('fallocate', ['-l', String(bytes), file])
        } catch {
          // Without the blocks that the file system keeps the books in.
          rmSync(file, { force: true })
          bytes = Math.floor(bytes / 2)
        }
      }
    },
    async free() {
      for (const file of fillers.splice(0)) rmSync(file, { force: true })
    },
    close,
  }
}

function mount(args: readonly string[]): void {
  execFileSync('mount', [...args], { stdio: 'pipe' })
}

function firstLine(error: unknown): string {
  const [line = ''] = errorMessage(error).split('\n').slice(-2)
  return line
}
