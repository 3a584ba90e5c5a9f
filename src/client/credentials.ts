import type { Signable, Signer } from './signer.ts'

/** Who sends a request. */
export interface Credentials {
  /** The headers that say so, for each attempt anew. */
  headers(request: Signable): Promise<Record<string, string>>
}

export function signature(signer: Signer): Credentials {
  return {
    async headers(request) {
      return { 'X-Client-Id': signer.client, 'X-Signature': await signer.sign(request) }
    },
  }
}

/** What `Authorization: Bearer` can carry (RFC 6750). */
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/

/** Throws RangeError, without the key. The service must be reached over TLS: a reader of the traffic would have the key. */
export function bearer(apiKey: string): Credentials {
  if (typeof apiKey !== 'string' || !TOKEN.test(apiKey))
    throw new RangeError('apiKey must be a string of A-Z a-z 0-9 . _ ~ + / - with = at the end only')
  return {
    async headers() {
      return { Authorization: `Bearer ${apiKey}` }
    },
  }
}

/** For what is public. */
export const NO_CREDENTIALS: Credentials = {
  async headers() {
    return {}
  },
}
