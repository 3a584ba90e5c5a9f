/* npm run list-dependencies: writes docs/dependencies.md from package-lock.json. */
import { readFileSync, writeFileSync } from 'node:fs'
import { dependencyPage } from '../support/dependency-list.ts'

const root = new URL('../../', import.meta.url)
const lock = readFileSync(new URL('package-lock.json', root), 'utf8')
writeFileSync(new URL('docs/dependencies.md', root), dependencyPage(lock))
