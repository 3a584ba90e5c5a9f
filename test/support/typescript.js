// node --import ./test/support/typescript.js FILE.ts: runs TypeScript on every Node.js that we support. Each file is
// compiled once, not in every process, and the lines of a stack are those of the source.
import { register } from 'node:module'

process.setSourceMapsEnabled(true)
register('./typescript-hooks.js', import.meta.url)
