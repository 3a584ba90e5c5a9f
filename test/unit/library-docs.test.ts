import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

/** Values, not types, that the entry exports from another file: their names and that file. */
function exportsOf(entry: URL): { name: string; file: URL }[] {
  const text = readFileSync(entry, 'utf8')
  return [...text.matchAll(/^export \{([^}]*)\} from '([^']*)'/gm)].flatMap(([, names = '', path = '']) =>
    names
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '' && !name.startsWith('type '))
      .map((name) => ({ name, file: new URL(path, entry) })),
  )
}

for (const entry of ['index.ts', 'client.ts']) {
  test(`each value that ${entry} exports is documented with an example`, () => {
    const found = exportsOf(new URL(`../../src/${entry}`, import.meta.url))
    assert.ok(found.length > 2)
    for (const { name, file } of found) {
      const text = readFileSync(file, 'utf8')
      const [, doc = ''] =
        new RegExp(
          `(/\\*\\*(?:(?!\\*/)[\\s\\S])*\\*/)\\nexport (?:async )?(?:function|const|class) ${name}\\b`,
        ).exec(text) ?? []
      assert.match(doc, /@example \S/, `${name} of ${file.pathname}`)
    }
  })
}
