import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { SETTINGS } from '../../src/config/settings.ts'

const FILE = new URL('../../docs/settings.md', import.meta.url)
const TABLE = /(?<=<!-- table -->\n)[\s\S]*(?=<!-- end of table -->)/

export function readDocument(): string {
  return readFileSync(FILE, 'utf8')
}

/** The document with the table of settings as src/config/settings.ts has it. */
export function withTable(document: string): string {
  return document.replace(TABLE, () => settingsTable())
}

/** A Markdown table of all settings. */
function settingsTable(): string {
  const rows = Object.values(SETTINGS).map(({ name, help, defaultText, usedBy }) => [
    `\`${name}\``,
    defaultText,
    help,
    usedBy.map((command) => `\`${command}\``).join(', '),
  ])
  const table = [['variable', 'default', 'meaning', 'used by'], ['---', '---', '---', '---'], ...rows]
  return table.map((cells) => `| ${cells.map(escaped).join(' | ')} |\n`).join('')
}

function escaped(cell: string): string {
  return cell.replaceAll('|', '\\|').replaceAll('*', '\\*')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(FILE, withTable(readDocument()))
