import { isRefreshed } from '../../internal/proxy/credentials.ts'
import type { ProxyConfig } from './proxy-config.ts'

/** What an operator should know at the start of how callers are told apart; undefined: nothing. */
export function callerNote({ verify, caller }: Pick<ProxyConfig, 'verify' | 'caller'>): string | undefined {
  if (verify) return undefined
  if (caller === undefined) {
    return `callers are not told apart. All share one set of keys, and a stored response is replayed only under the
  credentials that it was made for: a retry with a refreshed token gets 409. See --caller and --verify in --help.`
  }
  if (caller.kind === 'jwt') {
    return `the token whose claim "${caller.claim}" names the caller is not checked here. Let nothing reach this port but a
  gateway that checks it: a forged token would be given the stored responses of another caller.`
  }
  if (caller.kind === 'header' && isRefreshed(caller.name)) {
    return `--caller header:${caller.name} makes each refreshed token or session another caller: its retry RUNS AGAIN.
  Name the caller by what stays: --caller jwt:sub, cookie:NAME, or a header that your gateway sets.`
  }
  return undefined
}
