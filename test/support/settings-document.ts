import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { settingsTable } from '../../src/config/describe-settings.ts'

const FILE = new URL('../../docs/settings.md', import.meta.url)
const TABLE = /(?<=<!-- table -->\n)[\s\S]*(?=<!-- end of table -->)/

export function readDocument(): string {
  return readFileSync(FILE, 'utf8')
}

/** The document with the table of settings as src/config/settings.ts has it. */
export function withTable(document: string): string {
  return document.replace(TABLE, () => settingsTable())
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(FILE, withTable(readDocument()))
