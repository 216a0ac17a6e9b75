/** One call that can be stopped, by the caller's signal or by the disposal of the trainer. */
import { abortedError, fromNative, invalidArgument, RATError } from "../errors.js";

/** A call in progress. Its `signal` aborts when the caller's does or when {@link Operation.abort} is called. */
export class Operation {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal | undefined;
  readonly #forward = () => this.abort(this.#outer?.reason);

  /** @throws RATError `ERR_RAT_INVALID_ARG` when the call's options, or the signal in them, are none. */
  constructor(options: { readonly signal?: AbortSignal | undefined }) {
    if (typeof options !== "object" || options === null) invalidArgument("options", "an object", options);
    const { signal: outer } = options;
    if (outer !== undefined && !(outer instanceof AbortSignal)) {
      invalidArgument("signal", "an AbortSignal", outer);
    }
    this.#outer = outer;
    if (outer?.aborted) this.abort(outer.reason);
    else outer?.addEventListener("abort", this.#forward, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  abort(reason: unknown): void {
    this.#controller.abort(reason);
  }

  /** Calls `listener` when the operation is aborted, at once if it has been. */
  onAbort(listener: () => void): void {
    if (this.signal.aborted) listener();
    else this.signal.addEventListener("abort", listener, { once: true });
  }

  /** @throws RATError `ERR_RAT_ABORTED` when the operation has been aborted. */
  throwIfAborted(): void {
    if (this.signal.aborted) throw abortedError(this.signal);
  }

  /** Leaves nothing of this call behind on the caller's signal. */
  end(): void {
    this.#outer?.removeEventListener("abort", this.#forward);
  }
}

/** The calls in progress of an object that can be disposed of. */
export class Operations {
  readonly #owner: string;
  readonly #running = new Map<Operation, Promise<unknown>>();
  #isOver = false;

  /** @param owner - What it is, for messages. */
  constructor(owner: string) {
    this.#owner = owner;
  }

  /** Whether there are any. */
  get areRunning(): boolean {
    return this.#running.size > 0;
  }

  /**
   * Carries out a call.
   *
   * @throws RATError `ERR_RAT_DISPOSED` after {@link Operations.end}; `ERR_RAT_ABORTED` with the signal's reason, however the
   *   call came to notice it; else what the call throws.
   */
  async perform<T>(
    options: { readonly signal?: AbortSignal | undefined },
    call: (operation: Operation) => Promise<T>,
  ): Promise<T> {
    if (this.#isOver) throw new RATError("ERR_RAT_DISPOSED", `The ${this.#owner} has been disposed of`);
    const operation = new Operation(options);
    const result = (async () => {
      operation.throwIfAborted();
      try {
        return await call(operation);
      } catch (error) {
        const known = fromNative(error);
        throw known.code === "ERR_RAT_ABORTED" ? abortedError(operation.signal) : known;
      }
    })();
    this.#running.set(operation, result);
    try {
      return await result;
    } finally {
      this.#running.delete(operation);
      operation.end();
    }
  }

  /** Aborts what is in progress, and waits for it. */
  async end(): Promise<void> {
    this.#isOver = true;
    const reason = new RATError("ERR_RAT_DISPOSED", `The ${this.#owner} was disposed of`);
    for (const operation of this.#running.keys()) operation.abort(reason);
    await Promise.allSettled(this.#running.values());
  }
}
