/** A training run from the outside: a promise of its summary and a stream of its events. */
import type { TrainEvent, TrainSummary } from "./events.js";

/**
 * What `trainer.fit` returns. The run has already started: awaiting it gives the {@link TrainSummary}, iterating it gives
 * every event from the first, however late the iteration begins. Leaving the loop early does not stop the run; a signal
 * does.
 *
 * A failure rejects the promise and is thrown by the iteration. Whoever iterates need not await as well.
 */
export class Run implements Promise<TrainSummary>, AsyncIterable<TrainEvent> {
  readonly [Symbol.toStringTag] = "Run";
  readonly #done: Promise<TrainSummary>;
  readonly #events: TrainEvent[] = [];
  #isOver = false;
  /** Wakes the iterations that wait for an event. */
  #wake = deferred();

  /** @param start - Begins at once; its `emit` adds an event. */
  constructor(start: (emit: (event: TrainEvent) => void) => Promise<TrainSummary>) {
    this.#done = start((event) => {
      this.#events.push(event);
      this.#notify();
    }).finally(() => {
      this.#isOver = true;
      this.#notify();
    });
  }

  // biome-ignore lint/suspicious/noThenProperty: being awaitable is what a run is for.
  then<A = TrainSummary, B = never>(
    onFulfilled?: ((summary: TrainSummary) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#done.then(onFulfilled, onRejected);
  }

  catch<B = never>(onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<TrainSummary | B> {
    return this.#done.catch(onRejected);
  }

  finally(onFinally?: (() => void) | null): Promise<TrainSummary> {
    return this.#done.finally(onFinally);
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<TrainEvent> {
    // The iteration throws what the promise rejects with, so the promise alone need not be handled.
    this.#done.catch(() => undefined);
    return this.#iterate();
  }

  async *#iterate(): AsyncGenerator<TrainEvent, void, undefined> {
    for (let next = 0; ; next++) {
      while (next >= this.#events.length && !this.#isOver) await this.#wake.promise;
      const event = this.#events[next];
      if (event === undefined) break;
      yield event;
    }
    await this.#done;
  }

  #notify(): void {
    const { resolve } = this.#wake;
    this.#wake = deferred();
    resolve();
  }
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((fulfil) => {
    resolve = fulfil;
  });
  return { promise, resolve };
}
