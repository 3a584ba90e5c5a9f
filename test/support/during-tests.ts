import { after, before } from 'node:test'

/** Opens something before the tests of the file, or of the `describe` that this is called in, and closes it after them. */
export function duringTests<T extends { close(): Promise<void> }>(open: () => Promise<T>): () => T {
  let opened: T | undefined
  before(async () => {
    opened = await open()
  })
  after(() => opened?.close())
  return () => {
    if (opened === undefined) throw new Error('only the tests have what was opened for them')
    return opened
  }
}
