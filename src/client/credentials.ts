import type { Signable, Signer } from './signer.ts'

/** How a client authenticates. */
export interface Credentials {
  /** The headers of one attempt. Called for each attempt, because a signature has a time. */
  headers(request: Signable): Promise<Record<string, string>>
}

export function signature(signer: Signer): Credentials {
  return {
    async headers(request) {
      return { 'X-Client-Id': signer.client, 'X-Signature': await signer.sign(request) }
    },
  }
}

/** The token syntax of RFC 6750. */
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/

/** Throws RangeError, whose message does not contain the key. Use TLS: the key is sent in every request. */
export function bearer(apiKey: string): Credentials {
  if (typeof apiKey !== 'string' || !TOKEN.test(apiKey))
    throw new RangeError('apiKey must be a string of A-Z a-z 0-9 . _ ~ + / - with = at the end only')
  return {
    async headers() {
      return { Authorization: `Bearer ${apiKey}` }
    },
  }
}

/** For public routes. */
export const NO_CREDENTIALS: Credentials = {
  async headers() {
    return {}
  },
}
