import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { parse } from 'yaml'

const root = new URL('../../', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, root), 'utf8')
const PAGES = ['docs/threat-model.md', 'docs/bad-input.md']

/** The tests that a page names: `folder/file.test.ts`, then each name in double quotes. */
function namedTests(text: string): [file: string, name: string][] {
  return [
    ...text.matchAll(/`((?:unit|contract|service|slow|fuzz)\/[\w-]+\.test\.ts)`((?: "[^"\n]+")*)/g),
  ].flatMap(([, file = '', names = '']) => {
    const list = [...names.matchAll(/"([^"]+)"/g)].map(([, name = '']) => name)
    assert.ok(list.length > 0, `${file} is named without a test of it`)
    return list.map((name): [string, string] => [file, name])
  })
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

const MARKDOWN = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...readdirSync(new URL('docs/', root))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
]

for (const page of MARKDOWN) {
  test(`the links of ${page} lead somewhere`, () => {
    for (const [, link = ''] of read(page).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)) {
      assert.ok(existsSync(new URL(link, new URL(page, root))), `${page}: ${link}`)
    }
  })
}

test('docs/README.md lists every page', () => {
  const index = read('docs/README.md')
  for (const page of MARKDOWN.filter((name) => name.startsWith('docs/') && name !== 'docs/README.md')) {
    assert.ok(index.includes(`](${page.slice('docs/'.length)})`), page)
  }
})

test('README.md has at most 10 KiB: the rest belongs into docs/', () => {
  assert.ok(Buffer.byteLength(read('README.md')) <= 10_240)
})

/** A line of a block for the shell that calls `oncekey`, with settings in front of it or without. */
const CALLS_ONCEKEY = /^```(?:sh|bash)\n(?:(?!```).*\n)*?(?:[A-Z_]+=\S+ )*oncekey /m

for (const page of MARKDOWN.filter((name) => name.startsWith('docs/'))) {
  test(`${page} says how to call oncekey where its blocks do`, () => {
    const text = read(page)
    if (!CALLS_ONCEKEY.test(text)) return
    assert.match(
      text.split('\n').slice(0, 8).join(' '),
      /`oncekey …` stands for `npm run -s oncekey -- …` in a clone/,
    )
  })
}

test('docker compose run, wherever a page has it, names a service of docker-compose.yml', () => {
  const services = Object.keys(parse(read('docker-compose.yml')).services)
  const named = MARKDOWN.flatMap((page) =>
    [...read(page).matchAll(/docker compose run --rm (?:-v \S+ )?(\S+)/g)].map(([, name = '']) => ({
      page,
      name,
    })),
  )
  assert.ok(named.length > 5)
  for (const { page, name } of named) assert.ok(services.includes(name), `${page}: ${name}`)
})
