/** What is another one each time, and what stands for it when two builds are compared. The order matters. */
const VARYING: readonly (readonly [RegExp, string])[] = [
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi, '<uuid>'],
  [/\b\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}(?::?\d{2})?)?/g, '<time>'],
  [/\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} \w{3} \d{4} \d{2}:\d{2}:\d{2} GMT/g, '<date>'],
  [/\b00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\b/g, '<traceparent>'],
  // Cursors have an id in them.
  [/("next_cursor":|cursor=)"?[\w%=-]{20,}"?/g, '$1<cursor>'],
  // The chain of the audit trail has the times in it.
  [/(?<="hash":")[0-9a-f]{64}/g, '<hash>'],
  [/"count":\d+/g, '"count":<number>'],
  [/\bch_[0-9a-f]{24}\b/g, '<charge>'],
  [/127\.0\.0\.1:\d+/g, '<address>'],
  // Unix seconds and milliseconds of this year.
  [/\b1[78]\d{8}(?:\d{3})?\b/g, '<epoch>'],
]

/** The text without what differs from one call to the next: ids, times and addresses. */
export function sameText(text: string): string {
  return VARYING.reduce((result, [pattern, name]) => result.replace(pattern, name), text)
}
