#!/usr/bin/env node
// The one way to start everything, in a clone and in the published package. Plain JavaScript, and nothing newer
// than dynamic import() before the version is known: an old Node must get the message and not a syntax error.
const NEEDED = { major: 20, minor: 20 }

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < NEEDED.major || (major === NEEDED.major && minor < NEEDED.minor)) {
  console.error(
    `oncekey needs Node.js ${NEEDED.major}.${NEEDED.minor} or newer; this is ${process.version} (${process.execPath}).`,
  )
  process.exit(1)
}
// It has the versions of a Node.js as well, but ends with the first response of ours. The middleware and the SDK run on it.
if (process.versions.bun) {
  console.error(`oncekey needs Node.js; this is Bun ${process.versions.bun} (${process.execPath}).`)
  process.exit(1)
}

void start(process.argv[2] === '--build')

async function start(buildOnly) {
  const { existsSync } = await import('node:fs')
  const here = import.meta.url
  if (existsSync(new URL('../tsconfig.json', here))) {
    const { bringUpToDate } = await import('./tools/bring-up-to-date.js')
    const { fileURLToPath } = await import('node:url')
    try {
      await bringUpToDate(fileURLToPath(new URL('..', here)), () => {
        // It takes half a second. What is wrong is said when it is loaded again, below.
        if (process.argv[2] === 'serve')
          import(new URL('../dist/src/service/service.js', here).href).catch(() => {})
      })
    } catch (error) {
      console.error(`oncekey: ${error.message}`)
      process.exit(1)
    }
  }
  // In this very process, so that signals, exit codes and the pid are those of the service itself.
  if (!buildOnly) await import(new URL('../dist/src/main.js', here).href)
}
