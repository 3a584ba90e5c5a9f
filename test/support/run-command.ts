import { execFile } from 'node:child_process'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Settings } from './service.ts'

export interface Ended {
  code: number
  stdout: string
  stderr: string
}

const PROGRAM = fileURLToPath(new URL('../../src/oncekey.js', import.meta.url))
const TIMEOUT_MS = 60_000

/** Runs `oncekey` with these settings and nothing else of this environment, until it ends. */
export function oncekey(args: string[], settings: Settings = {}): Promise<Ended> {
  const { PATH = '', HOME = '' } = process.env
  const options = { env: { PATH, HOME, ...settings }, cwd: tmpdir(), timeout: TIMEOUT_MS }
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [PROGRAM, ...args], options, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code
      if (typeof code === 'number') resolve({ code, stdout, stderr })
      else reject(error)
    })
  })
}
