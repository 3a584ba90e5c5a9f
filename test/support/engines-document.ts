import { readFileSync } from 'node:fs'

const ENGINES = new URL('../../docs/engines.md', import.meta.url)

/** The rights that docs/engines.md names, as statements and commands that can be run as they stand there. */
export function documentedRights() {
  const text = readFileSync(ENGINES, 'utf8')
  const sql = [...text.matchAll(/^```sql\n(.*?)^```$/gms)].map(([, statements = '']) => statements)
  const [superuser = '', owner = ''] = sql
  const acl = /^ACL SETUSER (\S+) on >PASSWORD (.*)$/m.exec(text)
  if (sql.length !== 2 || acl === null) throw new Error('docs/engines.md has not the rights that it should')
  const [, user = '', rules = ''] = acl
  const besides = [...text.matchAll(/^\| (.*?) \| `(\+.*)` \|$/gm)].map(([, what = '', added = '']) => ({
    what,
    rules: added.replaceAll('\\', '').split(' '),
  }))
  return {
    /** Of a superuser: the roles and the database. */
    superuser,
    /** Of the owner, once the tables are there. */
    owner,
    redis: { user, rules: rules.split(' '), besides },
  }
}
