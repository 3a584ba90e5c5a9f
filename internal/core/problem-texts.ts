import type { FieldFault, ProblemCode } from './service-error.ts'

/** What the error catalogue says about a code, beside its status and title in PROBLEMS. */
export interface ProblemText {
  /** Whether sending the request again helps: with the same key, after a correction, or not at all. */
  retry: 'as it is' | 'corrected' | 'never'
  meaning: string
  /** What the partner should do. */
  remedy: string
  /** A typical response. */
  example: { detail: string; retryAfterMs?: number; errors?: FieldFault[] }
}

/**
 * The texts of each code in PROBLEMS. Separate, because requests do not need them: pages and the API description load
 * them.
 */
export const PROBLEM_TEXTS: Record<ProblemCode, ProblemText> = {
  invalid_json: {
    retry: 'corrected',
    meaning:
      'The body is not JSON that every reader would understand in the same way: it cannot be parsed, is not UTF-8, has a repeated member or is nested too deeply.',
    remedy: 'Send one JSON value in UTF-8, made by a JSON library. The same key may be used.',
    example: { detail: 'The body is not valid JSON: it cannot be parsed.' },
  },
  invalid_request: {
    retry: 'corrected',
    meaning:
      'The request cannot be read: its target, its headers, its framing or a parameter of its query is not valid.',
    remedy: 'Correct what the detail names. The same key may be used.',
    example: { detail: 'limit must be a whole number from 1 to 100.' },
  },
  idempotency_key_missing: {
    retry: 'corrected',
    meaning: 'A request that takes effect needs a key, so that it can be retried safely.',
    remedy:
      'Make a new key for each new request, such as a UUID, keep it, and send it with every retry of that request.',
    example: {
      detail:
        'Send an Idempotency-Key header: a name of your own for this request, the same on every retry of it.',
    },
  },
  idempotency_key_invalid: {
    retry: 'corrected',
    meaning:
      'The Idempotency-Key is empty, too short or too long, sent twice, or has characters that are not allowed.',
    remedy:
      'Send exactly one key of 1 to 255 printable ASCII characters. Without double quotes around it: no spaces, quotes, commas, semicolons or backslashes. For payments: 16 to 255 characters of A-Z, a-z, 0-9, _ and -.',
    example: {
      detail:
        'The Idempotency-Key is not valid: it must be 1 to 255 characters of printable ASCII, bare or in double quotes.',
    },
  },
  signature_missing: {
    retry: 'corrected',
    meaning: 'This route needs a signature (under /api/v1: or an API key) and the request has none.',
    remedy:
      'Sign the bytes that you send with your secret and send the signature as X-Signature, or, under /api/v1, send Authorization: Bearer and your API key.',
    example: {
      detail:
        'Send exactly one X-Signature: t=<Unix seconds>,v1=<64 hex digits>, an HMAC-SHA256 made with your secret, and X-Client-Id.',
    },
  },
  signature_invalid: {
    retry: 'corrected',
    meaning:
      'The signature is not well formed, does not match the request as it was received, or the client is not known. Which of them is not told.',
    remedy:
      'Sign exactly the bytes that you send. Usual mistakes: JSON that is written again after signing, a newline at the end of the body, a path without its query, another secret.',
    example: {
      detail: 'The signature does not match the request as it was received, or the client is not known.',
    },
  },
  timestamp_out_of_range: {
    retry: 'corrected',
    meaning: 'The time in the signature is too far from the clock of the service.',
    remedy: 'Set your clock, use Unix seconds and not milliseconds, and sign every retry anew.',
    example: {
      detail: 't must be Unix seconds (not milliseconds) within 300 s of our clock, which reads 1767225600.',
    },
  },
  api_key_invalid: {
    retry: 'corrected',
    meaning:
      'The API key is not known, is not well formed, was sent twice, or came together with a signature. Which keys are known is not told.',
    remedy: 'Send Authorization: Bearer and your key, and nothing else that says who you are.',
    example: { detail: 'The API key is not valid. Send exactly one Authorization: Bearer and your key.' },
  },
  scheme_not_allowed: {
    retry: 'corrected',
    meaning:
      'The signature is right, but its scheme is weaker than what is accepted for this client or request.',
    remedy: 'Sign with v1 or RFC 9421. A request without a body always needs one of them.',
    example: { detail: 'Sign with v1: v0 covers only the body, and there is none.' },
  },
  not_found: {
    retry: 'never',
    meaning: 'There is nothing at this path, or nothing with this id that belongs to you.',
    remedy: 'Check the path and the id.',
    example: { detail: 'There is no order with this id among yours.' },
  },
  method_not_allowed: {
    retry: 'never',
    meaning: 'The path exists, but not with this method.',
    remedy: 'Use one of the methods in the Allow header.',
    example: { detail: 'This path does not support this method; see Allow.' },
  },
  not_acceptable: {
    retry: 'corrected',
    meaning: 'The Accept header excludes JSON, and the responses are JSON.',
    remedy: 'Send Accept: application/json, or no Accept.',
    example: { detail: 'The response is application/json, which the Accept header does not allow.' },
  },
  request_timeout: {
    retry: 'as it is',
    meaning: 'The request did not arrive completely in time. Nothing was done.',
    remedy: 'Send it again with the same key.',
    example: { detail: 'The request did not arrive in time.' },
  },
  idempotency_key_reused: {
    retry: 'corrected',
    meaning:
      'The key belongs to an earlier request with another method, target or body, or (sidecar) to the same request under other credentials. The earlier request may have taken effect; this one was not run.',
    remedy:
      'If this is a retry, send the bytes of the first request again, under the same credentials: build the body once and keep it. Only a new request gets a new key.',
    example: {
      detail:
        'This key belongs to an earlier request with another method, target or body, and that request may have taken effect. To retry it, send its bytes again as they were. Only a new request gets a new key.',
    },
  },
  request_in_progress: {
    retry: 'as it is',
    meaning: 'The first request with this key is still in flight. This one had no effect.',
    remedy:
      'Wait for Retry-After and send it again with the same key: you get the response of the first one.',
    example: {
      detail: 'The first request with this key is still in flight. Try again with the same key.',
      retryAfterMs: 1000,
    },
  },
  outcome_unknown: {
    retry: 'as it is',
    meaning:
      'It is not known whether the earlier request with this key took effect. It is not run again until that is known.',
    remedy:
      'Send it again later with the same key: that is safe, and you get the response of the first request once its outcome is known. Do not send it with a new key, which may take effect a second time.',
    example: {
      detail:
        'It is not known whether the request with this key took effect. It is not run again until that is known.',
    },
  },
  body_too_large: {
    retry: 'corrected',
    meaning: 'The body has more bytes than the service takes.',
    remedy: 'Send a smaller body.',
    example: { detail: 'The body has more than 65536 bytes.' },
  },
  unsupported_media_type: {
    retry: 'corrected',
    meaning: 'The body is not declared as JSON, or it is compressed.',
    remedy: 'Send Content-Type: application/json and no Content-Encoding. The same key may be used.',
    example: { detail: 'Send the body as Content-Type: application/json.' },
  },
  validation_failed: {
    retry: 'corrected',
    meaning:
      'The body is JSON, but its values are not valid. The member errors points at each of them. The response belongs to the key: a retry gets it again.',
    remedy: 'Correct the values and send them with a new key.',
    example: {
      detail: 'The order is not valid: amount must have at most 2 decimals.',
      errors: [{ pointer: '/amount', detail: 'must have at most 2 decimals' }],
    },
  },
  rate_limited: {
    retry: 'as it is',
    meaning: 'You have used up a limit. The request had no effect and used nothing of any limit.',
    remedy:
      'Wait for Retry-After and send it again with the same key. The RateLimit headers say where you stand.',
    example: { detail: 'The limit "client" is used up.', retryAfterMs: 2400 },
  },
  headers_too_large: {
    retry: 'corrected',
    meaning: 'The headers have more than 16 KiB, or there are more than 100.',
    remedy: 'Send fewer and shorter headers.',
    example: { detail: 'The headers have more than 16384 bytes.' },
  },
  internal_error: {
    retry: 'as it is',
    meaning: 'A fault of the service. It is reported to its operators under the request id.',
    remedy: 'Send it again with the same key, which is always safe. If it stays, tell us the request_id.',
    example: { detail: 'The request could not be handled. The fault is on our side.' },
  },
  backend_unreachable: {
    retry: 'as it is',
    meaning:
      'The upstream (the payment gateway, or the backend of the sidecar) accepted no connection: nothing took effect. With `retryable: false` (sidecar, a request without a key) the connection was lost after the request was sent: it may have taken effect.',
    remedy:
      'Wait for Retry-After and send it again with the same key. With `retryable: false` find out what became of it before you send it again.',
    example: { detail: 'The payment gateway cannot be reached. Nothing was charged.', retryAfterMs: 1000 },
  },
  store_unavailable: {
    retry: 'as it is',
    meaning: 'The service cannot reach a store that it needs.',
    remedy: 'Wait for Retry-After and send it again with the same key, also when it may have taken effect.',
    example: {
      detail: 'The service cannot do this right now. Try again with the same key.',
      retryAfterMs: 1000,
    },
  },
  circuit_open: {
    retry: 'as it is',
    meaning:
      'The upstream failed several times in a row, so that the circuit breaker is open. Nothing took effect.',
    remedy: 'Wait for Retry-After and send it again with the same key.',
    example: {
      detail: 'The circuit breaker of the payment gateway is open. Nothing was charged.',
      retryAfterMs: 5000,
    },
  },
  shutting_down: {
    retry: 'as it is',
    meaning: 'This process is about to end and takes no new requests. The request had no effect.',
    remedy: 'Send it again with the same key over a new connection.',
    example: {
      detail: 'The service is shutting down. Try again with the same key.',
      retryAfterMs: 1000,
    },
  },
  backend_timeout: {
    retry: 'as it is',
    meaning: 'The upstream did not respond in time. Whether the request took effect is being found out.',
    remedy:
      'Send it again with the same key: it is not run twice. With `retryable: false` (proxy, a request without a key) find out what became of it before you send it again.',
    example: {
      detail: 'The payment gateway did not respond in time. Ask again with the same key.',
      retryAfterMs: 1000,
    },
  },
}
