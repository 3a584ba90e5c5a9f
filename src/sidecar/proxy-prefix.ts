/** Health and metrics of the sidecar: on a port of their own, or under a prefix that no backend uses. */
export const ADMIN_PREFIX = '/.oncekey'
