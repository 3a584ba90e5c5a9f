// What run-tests.js starts for files that share a process: node together.js FILE...
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'

for (const file of process.argv.slice(2)) {
  try {
    await import(pathToFileURL(file).href)
  } catch (error) {
    test(`${file} is loaded`, () => {
      throw error
    })
  }
}
