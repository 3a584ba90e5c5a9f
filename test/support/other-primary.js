import cluster from 'node:cluster'
import { fileURLToPath } from 'node:url'

// A primary of its own that starts `oncekey serve` as its worker, as PM2 does in cluster mode.
cluster.setupPrimary({
  exec: fileURLToPath(new URL('../../src/oncekey.js', import.meta.url)),
  args: ['serve'],
})
cluster.fork().once('exit', (code) => process.exit(code))
