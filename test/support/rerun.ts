import { execFile } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'

const CONTRACT = fileURLToPath(new URL('../contract/', import.meta.url))
const LOADER = new URL('typescript.js', import.meta.url).href
const TIMEOUT_MS = 240_000

/** Runs these files of test/contract again, without the embedded database, with other servers or another schema; rejects with what they wrote. */
export async function rerun(
  files: readonly string[],
  env: Record<string, string>,
): Promise<{ passed: number }> {
  // Otherwise they would report to the runner that runs us.
  const { NODE_TEST_CONTEXT: _, ...inherited } = process.env
  const args = ['--import', LOADER, '--test', `--test-concurrency=${availableParallelism()}`]
  const options = {
    cwd: CONTRACT,
    env: { ...inherited, TEST_ON_SERVER_ONLY: '1', ...env },
    timeout: TIMEOUT_MS,
  }
  return await new Promise((resolve, reject) => {
    const tests = files.map((name) => `${name}.test.ts`)
    execFile(process.execPath, [...args, '--test-reporter=tap', ...tests], options, (error, stdout) => {
      const passed = Number(/^# pass (\d+)$/m.exec(stdout)?.[1] ?? 0)
      if (error === null && passed > 0) resolve({ passed })
      else reject(new Error(failures(stdout)))
    })
  })
}

function failures(tap: string): string {
  const lines = tap.split('\n')
  return lines
    .filter(
      (line, i) => /^ *not ok/.test(line) || lines.slice(i - 12, i).some((one) => /^ *not ok/.test(one)),
    )
    .join('\n')
}
