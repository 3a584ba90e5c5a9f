/** Lets work at one place follow other work there, in the order in which it came; who needs several waits for all. */
export class Places {
  readonly #last = new Map<string, Promise<unknown>>()

  async hold<T>(names: readonly string[], work: () => Promise<T>): Promise<T> {
    // All places are taken in this turn of the event loop, so two of these never wait for each other.
    const before = names.map((name) => this.#last.get(name))
    const done = Promise.allSettled(before).then(work)
    for (const name of names) this.#last.set(name, done)
    return await done
  }
}
