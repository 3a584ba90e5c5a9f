import { spawn } from 'node:child_process'
import { constants } from 'node:os'

/** Long enough not to flood a log, short enough not to look as if it hung. */
const SIGN_OF_LIFE_MS = 5_000
/** Both ends: npm says first what is wrong and then how it is used, a compiler says its last word last. */
const SHOWN_LINES = { first: 15, last: 25 }
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP']

/**
 * Runs a command and shows only `what` is done and how long it takes, on standard error. Rejects with an Error
 * that holds both ends of the command's output if it fails. A signal to this process ends the command too.
 */
export function runQuietly(what, command, args, cwd) {
  const started = Date.now()
  const seconds = () => ((Date.now() - started) / 1_000).toFixed(1)
  console.error(`oncekey: ${what} ...`)
  return new Promise((resolve, reject) => {
    // On Windows npm is a batch file, which needs a shell.
    const shell = process.platform === 'win32' && command === 'npm'
    const child = spawn(command, args, { cwd, shell, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    const collect = (text) => {
      output += text
    }
    child.stdout.setEncoding('utf8').on('data', collect)
    child.stderr.setEncoding('utf8').on('data', collect)

    const signOfLife = setInterval(() => console.error(`oncekey: ${what}, ${seconds()} s`), SIGN_OF_LIFE_MS)
    const interrupted = (signal) => {
      child.kill('SIGTERM')
      process.exit(128 + constants.signals[signal])
    }
    for (const signal of SIGNALS) process.on(signal, interrupted)
    const ended = () => {
      clearInterval(signOfLife)
      for (const signal of SIGNALS) process.off(signal, interrupted)
    }

    child.on('error', (cause) => {
      ended()
      reject(new Error(`${what} failed: ${command} cannot be run (${cause.code}).`, { cause }))
    })
    child.on('close', (code, signal) => {
      ended()
      if (code === 0) {
        console.error(`oncekey: ${what} took ${seconds()} s`)
        resolve()
      } else {
        reject(new Error(`${what} failed (${signal ?? `exit code ${code}`}):\n${bothEnds(output)}`))
      }
    })
  })
}

function bothEnds(output) {
  const lines = output.trimEnd().split('\n')
  const leftOut = lines.length - SHOWN_LINES.first - SHOWN_LINES.last
  if (leftOut <= 0) return lines.join('\n')
  lines.splice(SHOWN_LINES.first, leftOut, `... ${leftOut} lines left out ...`)
  return lines.join('\n')
}
