// The loader of typescript.js. What was compiled lies under node_modules/.cache with the modification time of its
// source; any number of processes may look there and write at once.
import { mkdir, readFile, rename, stat, utimes, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const COMPILED = join(ROOT, 'node_modules/.cache/oncekey-typescript')

export async function load(url, context, next) {
  if (!/^file:[^?]*\.ts(\?|$)/.test(url)) return await next(url, context)
  return { format: 'module', shortCircuit: true, source: await compiled(fileURLToPath(url)) }
}

async function compiled(file) {
  const path = relative(ROOT, file)
  const target = join(COMPILED, `${path}.js`)
  const { mtime } = await stat(file)
  const isKnown = !path.startsWith('..')
  if (isKnown && (await modified(target)) === mtime.getTime()) return await readFile(target, 'utf8')
  const source = await compile(file)
  if (isKnown) await keep(target, source, mtime)
  return source
}

async function compile(file) {
  const { transform } = await import('esbuild')
  const { code } = await transform(await readFile(file, 'utf8'), {
    loader: 'ts',
    format: 'esm',
    target: 'node20',
    supported: { 'import-attributes': true },
    keepNames: true,
    sourcefile: file,
    sourcemap: 'inline',
    sourcesContent: false,
  })
  return code
}

async function keep(target, source, mtime) {
  const draft = `${target}.${process.pid}`
  await mkdir(dirname(target), { recursive: true })
  await writeFile(draft, source)
  await utimes(draft, mtime, mtime)
  await rename(draft, target)
}

async function modified(file) {
  try {
    return (await stat(file)).mtime.getTime()
  } catch {
    return undefined
  }
}
