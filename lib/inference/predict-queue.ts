/**
 * Calls of `predict` that come while another is computed, or in the same turn of the event loop, are computed together: a
 * server that asks for one text at a time gets the speed of batches. Calls are served in their order; a call that fails, or
 * gives up, takes no other with it.
 */
import { abortedError, fromNative } from "../errors.js";
import type { TextOrPair } from "../tokenizers/types.js";

/** Bounds of what is computed together. */
export interface QueueLimits {
  /** Most texts of calls that are put together; a call of more than this goes alone. */
  readonly maxTexts: number;
  /** Milliseconds that the first call waits for others to come, if nothing is being computed. 0: the rest of the turn. */
  readonly maxWaitMs: number;
}

interface Call<R> {
  readonly texts: readonly TextOrPair[];
  readonly signal: AbortSignal;
  readonly resolve: (results: R[]) => void;
  readonly reject: (reason: unknown) => void;
}

/** @typeParam R - What is said of one text. */
export class PredictQueue<R> {
  readonly #compute: (texts: readonly TextOrPair[], signal: AbortSignal) => Promise<R[]>;
  readonly #limits: QueueLimits;
  #waiting: Call<R>[] = [];
  #isBusy = false;

  /** @param compute - Results in the order of the texts; its signal aborts when no caller is left. */
  constructor(
    compute: (texts: readonly TextOrPair[], signal: AbortSignal) => Promise<R[]>,
    limits: QueueLimits,
  ) {
    this.#compute = compute;
    this.#limits = limits;
  }

  /** @throws RATError (rejects) `ERR_RAT_ABORTED` as soon as `signal` aborts; what `compute` fails with. */
  predict(texts: readonly TextOrPair[], signal: AbortSignal): Promise<R[]> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(abortedError(signal));
      const onAbort = () => reject(abortedError(signal));
      signal.addEventListener("abort", onAbort, { once: true });
      const done = () => signal.removeEventListener("abort", onAbort);
      this.#waiting.push({
        texts,
        signal,
        resolve: (results) => {
          done();
          resolve(results);
        },
        reject: (reason) => {
          done();
          reject(reason);
        },
      });
      this.#start();
    });
  }

  #start(): void {
    if (this.#isBusy) return;
    this.#isBusy = true;
    const { maxWaitMs } = this.#limits;
    const serve = () => void this.#serve();
    if (maxWaitMs > 0) setTimeout(serve, maxWaitMs);
    else setImmediate(serve);
  }

  async #serve(): Promise<void> {
    for (let calls = this.#take(); calls.length > 0; calls = this.#take()) await this.#answer(calls);
    this.#isBusy = false;
  }

  /** The next calls that fit together, those that have given up left out. */
  #take(): Call<R>[] {
    this.#waiting = this.#waiting.filter(({ signal }) => !signal.aborted);
    let texts = 0;
    let count = 0;
    for (const call of this.#waiting) {
      texts += call.texts.length;
      if (count > 0 && texts > this.#limits.maxTexts) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  async #answer(calls: readonly Call<R>[]): Promise<void> {
    // Computing ends early only if all have given up.
    const nobody = new AbortController();
    const onAbort = () => {
      if (calls.every(({ signal }) => signal.aborted)) nobody.abort();
    };
    for (const { signal } of calls) signal.addEventListener("abort", onAbort, { once: true });
    try {
      const results = await this.#compute(
        calls.flatMap(({ texts }) => texts),
        nobody.signal,
      );
      let first = 0;
      for (const { texts, resolve } of calls) {
        resolve(results.slice(first, first + texts.length));
        first += texts.length;
      }
    } catch (error) {
      for (const { reject } of calls) reject(fromNative(error));
    } finally {
      for (const { signal } of calls) signal.removeEventListener("abort", onAbort);
    }
  }
}
