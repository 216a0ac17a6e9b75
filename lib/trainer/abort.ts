/** One call that can be stopped, by the caller's signal or by the disposal of the trainer. */
import { abortedError, invalidArgument } from "../errors.js";

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
