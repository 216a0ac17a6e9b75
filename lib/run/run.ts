/** A training run from the outside: a promise of its summary and a stream of its events. */
import type { TrainEvent, TrainSummary } from "./events.js";

/** Events that are kept for an iteration that has not begun yet. */
export const KEPT_EVENTS = 1_000;

/** What is known when the data are encoded and a run begins. */
export interface RunStart {
  /** Steps of this run; `patience` may end it earlier. */
  readonly totalSteps: number;
}

/** Events form a chain: whoever holds a link holds what follows it, and nothing before it. */
interface Link {
  event?: TrainEvent;
  next?: Link;
}

/**
 * What `trainer.fit` returns. The run has already started: awaiting it gives the {@link TrainSummary}, iterating it gives
 * its events. An iteration that has begun misses none; one that begins late gets the last {@link KEPT_EVENTS} before it, and
 * all that follow. Leaving the loop early does not stop the run; a signal does.
 *
 * A failure rejects the promise and is thrown by the iteration. Whoever iterates need not await as well.
 */
export class Run implements Promise<TrainSummary>, AsyncIterable<TrainEvent> {
  readonly [Symbol.toStringTag] = "Run";
  /** Before the first event; rejects as the run does where it does not come that far. */
  readonly started: Promise<RunStart>;
  readonly #done: Promise<TrainSummary>;
  /** The oldest event that is kept, and the link that waits for the next one. */
  #oldest: Link = {};
  #newest: Link = this.#oldest;
  #kept = 0;
  #isOver = false;
  /** Wakes the iterations that wait for an event. */
  #wake = deferred<void>();

  /** @param start - Begins at once; its `emit` adds an event, its `begin` says that the first step is near. */
  constructor(
    start: (emit: (event: TrainEvent) => void, begin: (start: RunStart) => void) => Promise<TrainSummary>,
  ) {
    const begun = deferred<RunStart>();
    this.started = begun.promise;
    // The run itself is what has to be awaited; this promise alone need not be handled.
    this.started.catch(() => undefined);
    this.#done = start((event) => {
      this.#append(event);
      this.#notify();
    }, begun.resolve)
      .catch((error: unknown) => {
        begun.reject(error);
        throw error;
      })
      .finally(() => {
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
    return this.#iterate(this.#oldest);
  }

  async *#iterate(from: Link): AsyncGenerator<TrainEvent, void, undefined> {
    for (let link = from; ; ) {
      while (link.next === undefined && !this.#isOver) await this.#wake.promise;
      const { event, next } = link;
      if (event === undefined || next === undefined) break;
      link = next;
      yield event;
    }
    await this.#done;
  }

  #append(event: TrainEvent): void {
    const next: Link = {};
    Object.assign(this.#newest, { event, next });
    this.#newest = next;
    if (++this.#kept <= KEPT_EVENTS || this.#oldest.next === undefined) return;
    this.#oldest = this.#oldest.next;
    this.#kept--;
  }

  #notify(): void {
    const { resolve } = this.#wake;
    this.#wake = deferred();
    resolve();
  }
}

function deferred<T>() {
  let resolve: (value: T) => void = () => undefined;
  let reject: (reason: unknown) => void = () => undefined;
  const promise = new Promise<T>((fulfil, refuse) => {
    resolve = fulfil;
    reject = refuse;
  });
  return { promise, resolve, reject };
}
