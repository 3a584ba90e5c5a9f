/**
 * "No control characters", for the API description, where the length stands beside it. Engines without Unicode classes
 * (Python, Go, JavaScript without the flag u) read it in the same way; `\p{Cc}` makes validators refuse the document.
 * What the service itself checks is stricter: it refuses lone surrogates, which UTF-8 cannot hold.
 */
export const NO_CONTROLS = '^[^\\x00-\\x1f\\x7f-\\x9f]*$'
