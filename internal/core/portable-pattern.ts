/**
 * A pattern for "no control characters" in the API description. It works in engines without Unicode classes (Python, Go,
 * JavaScript without the flag u); with `\p{Cc}` validators refuse the document. The check of the service is stricter: it
 * also refuses lone surrogates, which UTF-8 cannot encode.
 */
export const NO_CONTROLS = '^[^\\x00-\\x1f\\x7f-\\x9f]*$'
