/**
 * Turns SIGINT and SIGTERM into an AbortSignal, because the library itself installs no handlers. The first signal asks
 * the command to stop in good order (a training run writes a checkpoint); a second one ends the process at once.
 */

/** Exit codes after a signal: 128 + its number. */
const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const;
type Signal = keyof typeof exitCodes;

/**
 * A terminal sends Ctrl-C to the whole process group, and npm and npx then pass it on to their child once more: what
 * follows this soon is the same key press, not a second one.
 */
const echoMs = 200;

export class Signals {
  readonly #controller = new AbortController();
  readonly #onFirst: (signal: Signal) => void;
  #first: Signal | undefined;
  #firstAt = 0;

  /** @param onFirst Called at the first signal, to tell the user. */
  constructor(onFirst: (signal: Signal) => void) {
    this.#onFirst = onFirst;
    for (const signal of Object.keys(exitCodes) as Signal[]) process.on(signal, () => this.#receive(signal));
  }

  /** Aborted by the first signal; its reason is an error that names the signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** 130 or 143 once a signal has come, else undefined. */
  get exitCode(): number | undefined {
    return this.#first && exitCodes[this.#first];
  }

  #receive(signal: Signal): void {
    const now = performance.now();
    if (this.#first) {
      if (now - this.#firstAt > echoMs) process.exit(exitCodes[signal]);
      return;
    }
    this.#first = signal;
    this.#firstAt = now;
    this.#onFirst(signal);
    this.#controller.abort(new Error(`received ${signal}`));
  }
}
