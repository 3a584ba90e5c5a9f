import assert from 'node:assert/strict'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { test } from 'node:test'
import Koa from 'koa'
import type { Middleware, MiddlewareContext, RequestState } from '../../internal/core/request-state.ts'
import { type Spans, traced } from '../../internal/telemetry/spans.ts'

/** What happened, in order. */
function recorder(): { events: string[]; spans: Spans } {
  const events: string[] = []
  const spans: Spans = {
    async request() {
      throw new Error('not used here')
    },
    begin(name) {
      events.push(`begin ${name}`)
      let ended = false
      return (error) => {
        if (ended) return
        ended = true
        events.push(`end ${name}${error instanceof Error ? `: ${error.message}` : ''}`)
      }
    },
    async close() {},
  }
  return { events, spans }
}

function createContext(): MiddlewareContext {
  const req = new IncomingMessage(new Socket())
  return new Koa<RequestState>().createContext(req, new ServerResponse(req))
}

class Store {
  readonly #response = 'yes'
  async ask(question: string): Promise<string> {
    return `${question} ${this.#response}`
  }
  async fail(): Promise<void> {
    throw new Error('away')
  }
  count = 1
}

test('without spans each part stays the very same', () => {
  const middleware: Middleware = async () => {}
  const store = new Store()
  assert.equal(traced(undefined).middleware('a', middleware), middleware)
  assert.equal(traced(undefined).calls(store, { ask: 'ask' }), store)
})

test("the span of a stage ends where the next stage begins, or with the stage's error", async () => {
  const { events, spans } = recorder()

  const ctx = createContext()
  const passes: Middleware = async (_, next) => {
    events.push('before')
    await next()
    events.push('after')
  }
  const refuses: Middleware = async () => {
    throw new Error('no')
  }
  await traced(spans).middleware('passes', passes)(ctx, async () => events.push('next'))
  assert.deepEqual(events.splice(0), ['begin passes', 'before', 'end passes', 'next', 'after'])
  const behind = async () => {
    throw new Error('behind')
  }
  await assert.rejects(traced(spans).middleware('passes', passes)(ctx, behind), /behind/)
  assert.deepEqual(events.splice(0), ['begin passes', 'before', 'end passes'])
  await assert.rejects(traced(spans).middleware('refuses', refuses)(ctx, behind), /no/)
  assert.deepEqual(events.splice(0), ['begin refuses', 'end refuses: no'])
  await traced(spans).middleware('answers', async () => {})(ctx, behind)
  assert.deepEqual(events, ['begin answers', 'end answers'])
})

test('calls have spans by their names, the others none; the object stays what it is', async () => {
  const { events, spans } = recorder()
  const store = traced(spans).calls(new Store(), { ask: 'question' })
  assert.equal(await store.ask('really?'), 'really? yes')
  await assert.rejects(store.fail(), /away/)
  assert.equal(store.count, 1)
  assert.deepEqual(events, ['begin question', 'end question'])
  await assert.rejects(traced(spans).calls(new Store(), { fail: 'failure' }).fail(), /away/)
  assert.deepEqual(events.slice(2), ['begin failure', 'end failure: away'])
})
