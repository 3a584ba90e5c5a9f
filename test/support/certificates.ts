import { execFileSync } from 'node:child_process'
import { chownSync, copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { needProgram } from './programs.ts'
import { temporaryDirectory, unprivileged } from './servers.ts'

export interface Certificate {
  /** Paths of PEM files. */
  cert: string
  key: string
}

/** A CA of one's own, in a directory of its own. */
export interface Authority {
  /** The path of its certificate. */
  readonly ca: string
  /** A certificate for this common name, and for these names of a server. */
  issue(commonName: string, ...hosts: string[]): Certificate
}

const CURVE = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-days', '2']

function openssl(...args: string[]): void {
  execFileSync(needProgram('openssl', 'openssl'), args, { stdio: 'pipe' })
}

export function createAuthority(name: string): Authority {
  const directory = temporaryDirectory()
  const ca = join(directory, 'ca.crt')
  const caKey = join(directory, 'ca.key')
  openssl('req', '-x509', ...CURVE, '-nodes', '-subj', `/CN=${name}`, '-keyout', caKey, '-out', ca)
  let issued = 0
  return {
    ca,
    issue(commonName, ...hosts) {
      issued++
      const [cert, key] = [join(directory, `${issued}.crt`), join(directory, `${issued}.key`)]
      const names = hosts.map((host) => `DNS:${host}`).join(',')
      openssl(
        ...['req', '-x509', '-CA', ca, '-CAkey', caKey, ...CURVE, '-nodes', '-subj', `/CN=${commonName}`],
        ...['-addext', 'basicConstraints=critical,CA:FALSE', '-keyout', key, '-out', cert],
        ...(names === '' ? [] : ['-addext', `subjectAltName=${names}`]),
      )
      return { cert, key }
    },
  }
}

/** The same key, which opens with the passphrase only. */
export function withPassphrase({ cert, key }: Certificate, passphrase: string): Certificate {
  const encrypted = `${key}.encrypted`
  openssl('pkey', '-in', key, '-aes256', '-passout', `pass:${passphrase}`, '-out', encrypted)
  return { cert, key: encrypted }
}

/** A copy that PostgreSQL takes: only its own user may read the key. */
export function forPostgres({ cert, key }: Certificate): Certificate {
  const own = `${key}.postgres`
  copyFileSync(key, own)
  const user = unprivileged()
  if (user !== undefined) chownSync(own, user.uid, user.gid)
  return { cert, key: own }
}
