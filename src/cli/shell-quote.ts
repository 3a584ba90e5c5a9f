const NEWLINE = 0x0a

/** One word of bash for this text. Control characters are escaped, since pasted into a terminal they would edit the line. */
export function shellQuote(text: string): string {
  if (/^[A-Za-z0-9_./:=@%+,-]+$/.test(text)) return text
  const plain = [...text].every((character) => character >= ' ' && !/[\u007f-\u009f]/.test(character))
  return plain ? `'${text.replaceAll("'", "'\\''")}'` : shellQuoteBytes(Buffer.from(text, 'utf8'))
}

/** The same for any bytes but NUL. */
export function shellQuoteBytes(bytes: Buffer): string {
  if (bytes.includes(0)) throw new RangeError('a word of a command line cannot hold NUL')
  const escaped = [...bytes].map((byte) => {
    if (byte === NEWLINE) return '\\n'
    // Quotes and ! are escaped too: the history expansion of bash does not understand $'\''.
    const plain = byte >= 0x20 && byte < 0x7f && !"'!\\".includes(String.fromCharCode(byte))
    return plain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`
  })
  return `$'${escaped.join('')}'`
}
