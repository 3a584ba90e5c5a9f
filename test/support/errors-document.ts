import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { PROBLEM_TEXTS } from '../../internal/core/problem-texts.ts'
import { PROBLEMS, type ProblemCode } from '../../internal/core/service-error.ts'

const FILE = new URL('../../docs/errors.md', import.meta.url)
const TABLE = /(?<=<!-- table -->\n)[\s\S]*(?=<!-- end of table -->)/
const AGAIN = { 'as it is': 'yes', corrected: 'when corrected', never: 'no' }

export function readDocument(): string {
  return readFileSync(FILE, 'utf8')
}

export const CODES = Object.keys(PROBLEMS).filter((code): code is ProblemCode => code in PROBLEM_TEXTS)

/** The document with a row for each code of the catalogue. */
export function withTable(document: string): string {
  const rows = CODES.map((code) => {
    const { retry, meaning, remedy } = PROBLEM_TEXTS[code]
    const cells = [String(PROBLEMS[code].status), `\`${code}\``, meaning, AGAIN[retry], remedy]
    return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`
  })
  const head = '| status | code | means | same request again? | what to do |\n|---|---|---|---|---|\n'
  return document.replace(TABLE, () => `${head}${rows.join('')}`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(FILE, withTable(readDocument()))
