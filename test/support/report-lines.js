// A reporter for node:test that run-tests.js reads: a line of JSON for each test that did not pass, and the sums.

/** A test fails with its tests, and what had not begun is cancelled with its suite: only the cause is shown. */
const CONSEQUENCES = ['subtestsFailed', 'cancelledByParent']
const SUM = /^(pass|fail|cancelled|skipped|todo) (\d+)$/

export default async function* reportLines(source) {
  const sums = {}
  const path = []
  for await (const { type, data } of source) {
    if (type === 'test:start') path.splice(data.nesting, path.length, data.name)
    if (type === 'test:fail' && !CONSEQUENCES.includes(data.details.error?.failureType)) {
      path.splice(data.nesting, path.length, data.name)
      yield `${JSON.stringify({ name: path.join(' > '), text: textOf(data.details.error) })}\n`
    }
    if ((type === 'test:pass' || type === 'test:fail') && (data.skip ?? data.todo) !== undefined) {
      yield `${JSON.stringify({ name: data.name, text: 'skipped or put off: what cannot run fails' })}\n`
    }
    const [, word, count] = (type === 'test:diagnostic' && SUM.exec(data.message)) || []
    if (word !== undefined) sums[word] = Number(count)
  }
  yield `${JSON.stringify({ sums })}\n`
}

function textOf(error) {
  const { cause = error } = error
  return String(cause?.stack ?? cause)
}
