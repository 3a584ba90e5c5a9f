import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { describeApi } from '../../src/service/openapi.ts'
import { needProgram } from '../support/programs.ts'

const TOOLS = [
  '@stoplight/spectral-cli@6.16.3',
  'openapi-typescript@7.13.0',
  '@hey-api/openapi-ts@0.95.0',
  'orval@7.13.2',
]
const VALIDATOR = 'openapi-spec-validator==0.9.0'
/** On a busy machine that has none of the packages yet. */
const TIMEOUT_MS = 300_000
const TSC = fileURLToPath(new URL('../../node_modules/typescript/bin/tsc', import.meta.url))
const directory = mkdtempSync(join(tmpdir(), 'oncekey-openapi-'))

/** Runs in the folder of the tools; rejects with all that was printed. */
function run(program: string, ...args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { cwd: directory, timeout: TIMEOUT_MS }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else reject(new Error(`${program} ${args.join(' ')}\n${stdout}\n${stderr}`, { cause: error }))
    })
  })
}

const tool = (name: string, ...args: string[]) => run(join(directory, 'node_modules/.bin', name), ...args)

before(async () => {
  writeFileSync(join(directory, 'package.json'), '{"private":true}')
  writeFileSync(join(directory, 'openapi.json'), JSON.stringify(describeApi({ metricsPort: undefined })))
  await run('npm', 'install', '--silent', '--no-audit', '--no-fund', '--ignore-scripts', ...TOOLS)
})
after(() => rmSync(directory, { recursive: true, force: true }))

test('Spectral finds no error in the OpenAPI document by its rules for OpenAPI', async () => {
  writeFileSync(join(directory, '.spectral.yaml'), 'extends: ["spectral:oas"]\n')
  const args = ['lint', 'openapi.json', '--ruleset', '.spectral.yaml', '--fail-severity', 'error']
  assert.match(await tool('spectral', ...args), /\(0 errors, /)
})

test('a validator in Python accepts the OpenAPI document with its patterns', async () => {
  const program = [
    'import json, sys',
    "sys.path.append('python')",
    'from openapi_spec_validator import validate',
    "validate(json.load(open('openapi.json')))",
    "print('valid')",
  ].join('\n')
  const python = needProgram('python3', 'python3')
  const isThere = await run(python, '-c', 'import openapi_spec_validator').then(
    () => true,
    () => false,
  )
  if (!isThere) {
    const install = ['-m', 'pip', 'install', '--quiet', '--target', 'python', VALIDATOR]
    await run(python, ...install).catch((error: unknown) => {
      throw new Error(`this test needs a Python package: pip install ${VALIDATOR}`, { cause: error })
    })
  }
  assert.equal(await run(python, '-c', program), 'valid\n')
})

test('openapi-typescript, @hey-api/openapi-ts and orval make clients that compile', async () => {
  const output = { target: './orval.ts', client: 'fetch' }
  const config = { api: { input: './openapi.json', output } }
  writeFileSync(join(directory, 'orval.config.cjs'), `module.exports = ${JSON.stringify(config)}\n`)
  await tool('openapi-typescript', 'openapi.json', '-o', 'types.ts')
  await tool('openapi-ts', '-i', 'openapi.json', '-o', 'hey')
  await tool('orval', '--config', 'orval.config.cjs')
  const options = [
    '--noEmit',
    '--strict',
    '--skipLibCheck',
    '--module',
    'esnext',
    '--moduleResolution',
    'bundler',
  ]
  const library = ['--target', 'es2022', '--lib', 'es2023,dom,dom.iterable']
  await run(process.execPath, TSC, ...options, ...library, 'types.ts', 'orval.ts', 'hey/index.ts')
})
