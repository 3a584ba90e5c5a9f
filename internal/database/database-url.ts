const FORM = /^(postgres(?:ql)?:\/\/(?:[^@/?#]*@)?)([^/?#]*)([\s\S]*)$/
const RULE = 'must be a URL that matches ^postgres(ql)?:\\/\\/'

/**
 * One URL for each host of `postgres://user:password@host:port,host:port/name?target_session_attrs=read-write`.
 * That parameter is left out of them: of several hosts the one that takes writes is always looked for. Throws an
 * Error that says the rule.
 */
export function splitHosts(text: string): string[] {
  const [, before = '', hosts = '', after = ''] = FORM.exec(text) ?? []
  const urls = hosts.split(',').map((host) => `${before}${host}${after}`)
  return urls.map((one) => {
    if (before === '' || !URL.canParse(one)) throw new Error(RULE)
    const url = new URL(one)
    const wanted = url.searchParams.get('target_session_attrs')
    if (wanted === null) return one
    if (wanted !== 'read-write' && wanted !== 'primary') {
      throw new Error('must have target_session_attrs=read-write, primary or none: orders are written')
    }
    url.searchParams.delete('target_session_attrs')
    return url.href
  })
}

/** For a setting: the text, or an Error that says the rule. */
export function databaseUrl(text: string): string {
  splitHosts(text)
  return text
}
