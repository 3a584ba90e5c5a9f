import assert from 'node:assert/strict'
import { test } from 'node:test'
import { outgoingTrace, parseTraceContext, unrecordedTrace } from '../../internal/telemetry/trace.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const PARENT = '00f067aa0ba902b7'
const GOOD = `00-${TRACE}-${PARENT}-01`

test('a traceparent names the trace, the span of the caller and whether it is sampled', () => {
  const expected = { traceId: TRACE, parentSpanId: PARENT }
  assert.deepEqual(parseTraceContext(GOOD, undefined), { ...expected, sampled: true })
  assert.deepEqual(parseTraceContext(`00-${TRACE}-${PARENT}-00`, undefined), { ...expected, sampled: false })
  // Flags that we do not know say nothing.
  assert.equal(parseTraceContext(`00-${TRACE}-${PARENT}-fe`, undefined)?.sampled, false)
  assert.equal(parseTraceContext(`00-${TRACE}-${PARENT}-ff`, undefined)?.sampled, true)
})

test('a later version is read as far as it is known', () => {
  for (const text of [
    `01-${TRACE}-${PARENT}-01`,
    `cc-${TRACE}-${PARENT}-01-more`,
    `fe-${TRACE}-${PARENT}-01-`,
  ]) {
    assert.equal(parseTraceContext(text, undefined)?.traceId, TRACE, text)
  }
})

for (const text of [
  '',
  TRACE,
  `00-${TRACE}-${PARENT}`,
  `00-${TRACE}-${PARENT}-`,
  `00-${TRACE}-${PARENT}-1`,
  `00-${TRACE}-${PARENT}-01-`,
  `00-${TRACE}-${PARENT}-01-more`,
  `01-${TRACE}-${PARENT}-01more`,
  `ff-${TRACE}-${PARENT}-01`,
  `0-${TRACE}-${PARENT}-01`,
  `00-${'0'.repeat(32)}-${PARENT}-01`,
  `00-${TRACE}-${'0'.repeat(16)}-01`,
  `00-${TRACE.toUpperCase()}-${PARENT}-01`,
  `00-${TRACE}-${PARENT.toUpperCase()}-01`,
  `00-${TRACE}-${PARENT}-0A`,
  `00-${TRACE.slice(1)}-${PARENT}-01`,
  `00-${TRACE}a-${PARENT}-01`,
  `00-${TRACE.slice(1)}.-${PARENT}-01`,
  ` ${GOOD}`,
  `${GOOD} `,
  `${GOOD}\n`,
  `${GOOD}, ${GOOD}`,
]) {
  test(`${JSON.stringify(text)} is no traceparent`, () => {
    assert.equal(parseTraceContext(text, 'a=1'), undefined)
  })
}

test('a tracestate is passed on as it came', () => {
  const thirtyTwo = Array.from({ length: 32 }, (_, i) => `k${i}=v`).join(',')
  for (const state of [
    'rojo=00f067aa0ba902b7',
    'rojo=1,congo=t61rcWkgMzE',
    'a=1 ,\tb=2,,c= x',
    'fw529a3039@dt=FfAb;x:y',
    '0tenant@v=1',
    `a${'b'.repeat(255)}=${'v'.repeat(256)}`,
    thirtyTwo,
  ]) {
    assert.equal(parseTraceContext(GOOD, state)?.tracestate, state)
  }
})

test('a tracestate that is not valid is dropped, the trace goes on', () => {
  const tooMany = Array.from({ length: 33 }, (_, i) => `k${i}=v`).join(',')
  for (const state of [
    '',
    ' , ',
    'a',
    'a=',
    'A=1',
    '1a=1',
    'a =1',
    'a=1=2',
    'a=\u00e9',
    'a=1,a=2',
    'a@=1',
    `a${'b'.repeat(256)}=1`,
    `a=${'v'.repeat(257)}`,
    tooMany,
  ]) {
    const received = parseTraceContext(GOOD, state)
    assert.equal(received?.traceId, TRACE)
    assert.equal(received?.tracestate, undefined, JSON.stringify(state))
  }
})

test('without a trace of the caller a new one begins, with ids of its own that nobody samples', () => {
  const traces = Array.from({ length: 1_000 }, () => unrecordedTrace(undefined))
  for (const { traceId, spanId, sampled } of traces) {
    assert.match(traceId, /^(?!0+$)[0-9a-f]{32}$/)
    assert.match(spanId, /^(?!0+$)[0-9a-f]{16}$/)
    assert.equal(sampled, false)
  }
  assert.equal(new Set(traces.map(({ traceId }) => traceId)).size, 1_000)
  assert.equal(new Set(traces.map(({ spanId }) => spanId)).size, 1_000)
  const [first] = traces
  assert.ok(first)
  assert.deepEqual(outgoingTrace(first), { traceparent: `00-${first.traceId}-${first.spanId}-00` })
})

test("of a request without a span of ours the caller's span is the parent of what we send", () => {
  const own = unrecordedTrace(parseTraceContext(GOOD, 'rojo=1'))
  assert.notEqual(own.spanId, PARENT)
  assert.deepEqual(outgoingTrace(own), { traceparent: GOOD, tracestate: 'rojo=1' })
})

test('a span of ours is the parent of what we send', () => {
  const own = {
    traceId: TRACE,
    spanId: 'b7ad6b7169203331',
    parentSpanId: PARENT,
    sampled: true,
    recorded: true,
  }
  assert.deepEqual(outgoingTrace(own), { traceparent: `00-${TRACE}-b7ad6b7169203331-01` })
  assert.equal(outgoingTrace({ ...own, sampled: false }).traceparent, `00-${TRACE}-b7ad6b7169203331-00`)
})
