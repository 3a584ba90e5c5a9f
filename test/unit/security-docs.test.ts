import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'

const root = new URL('../../', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, root), 'utf8')
const PAGES = ['docs/threat-model.md', 'docs/bad-input.md']

/** The tests that a page names: `folder/file.test.ts`, then each name in double quotes. */
function namedTests(text: string): [file: string, name: string][] {
  return [...text.matchAll(/`((?:unit|contract|service|fuzz)\/[\w-]+\.test\.ts)`((?: "[^"\n]+")*)/g)].flatMap(
    ([, file = '', names = '']) => {
      const list = [...names.matchAll(/"([^"]+)"/g)].map(([, name = '']) => name)
      assert.ok(list.length > 0, `${file} is named without a test of it`)
      return list.map((name): [string, string] => [file, name])
    },
  )
}

for (const page of PAGES) {
  describe(page, () => {
    test('every test that it names exists', () => {
      const named = namedTests(read(page))
      assert.ok(named.length > 20, `${named.length} tests`)
      for (const [file, name] of named) {
        assert.ok(existsSync(new URL(`test/${file}`, root)), `there is no test/${file}`)
        assert.ok(read(`test/${file}`).includes(name), `test/${file} has no "${name}"`)
      }
    })

    test('every row of a table that says that something is met names a test, or says why not', () => {
      for (const line of read(page).split('\n')) {
        if (!/^\| (?:API\d+|V\d+)/.test(line)) continue
        assert.match(line, /\.test\.ts`|not tested|does not apply|known gap/i, line)
      }
    })
  })
}

test('the links of SECURITY.md and of these pages lead somewhere', () => {
  for (const [page, folder] of [['SECURITY.md', ''], ...PAGES.map((path) => [path, 'docs/'])]) {
    for (const [, link = ''] of read(page ?? '').matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)) {
      assert.ok(existsSync(new URL(`${folder}${link}`, root)), `${page}: ${link}`)
    }
  }
})
