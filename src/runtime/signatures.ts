import type { Middleware } from '../../internal/core/request-state.ts'
import type { ClientRegistry } from '../../internal/signature/client-registry.ts'
import { verifySignature } from '../../internal/signature/verify-signature.ts'
import type { Metrics } from '../../internal/telemetry/metrics.ts'
import type { SharedConfig } from '../config/config.ts'

/** A client that sends a byte a second would hold a connection and a request for ever. */
export const BODY_TIMEOUT_MS = 15_000

/** Verifies signatures by the settings, with the system's clock. */
export function signatures(config: SharedConfig, registry: ClientRegistry, metrics: Metrics): Middleware {
  return verifySignature({
    registry,
    minScheme: config.minScheme,
    toleranceMs: config.signatureToleranceMs,
    strippedPrefix: config.strippedPrefix,
    hints: config.signatureHints,
    now: Date.now,
    onVerified: (scheme, result) => metrics.signatures.add({ scheme, result }),
  })
}
