/**
 * Writes `log.jsonl`: one JSON object a line, in the order of `write`. Lines are gathered while the disk is busy and
 * written in one go, so that a training loop never waits for the disk; whoever reads the file meanwhile sees whole lines
 * except perhaps the last.
 */
import { type FileHandle, open } from "node:fs/promises";
import { RATError } from "../errors.js";

export interface RunLogOptions {
  /** Adds to an existing file instead of emptying it. Default: false. */
  readonly append?: boolean;
}

/** A JSON-lines file that is open for writing. */
export class RunLog {
  readonly path: string;
  readonly #file: FileHandle;
  #pending = "";
  #writing: Promise<void> | undefined;
  #failure: RATError | undefined;
  #closed = false;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  /**
   * Opens `path`, creating the file if there is none; its folder must exist.
   *
   * @throws RATError `ERR_RAT_PATH` when the file cannot be opened for writing.
   */
  static async open(path: string, options: RunLogOptions = {}): Promise<RunLog> {
    try {
      return new RunLog(path, await open(path, options.append ? "a" : "w"));
    } catch (cause) {
      const message = `The log ${path} cannot be written: ${reason(cause)}. Choose a folder you may write to`;
      throw new RATError("ERR_RAT_PATH", message, { cause, details: { file: path } });
    }
  }

  /**
   * Adds one line. Returns at once; a number that JSON lacks (NaN, Infinity) becomes null.
   *
   * @throws RATError `ERR_RAT_CHECKPOINT_WRITE` when an earlier line could not be written (disk full);
   *   `ERR_RAT_DISPOSED` after `close`.
   */
  write(event: object): void {
    if (this.#closed) throw new RATError("ERR_RAT_DISPOSED", `The log ${this.path} is closed`);
    if (this.#failure) throw this.#failure;
    this.#pending += `${JSON.stringify(event)}\n`;
    this.#writing ??= this.#drain();
  }

  /**
   * Resolves when every line so far has been handed to the operating system.
   *
   * @throws RATError `ERR_RAT_CHECKPOINT_WRITE` when one could not be written.
   */
  async flush(): Promise<void> {
    await this.#writing;
    if (this.#failure) throw this.#failure;
  }

  /**
   * Resolves when every line so far is on the disk.
   *
   * @throws RATError `ERR_RAT_CHECKPOINT_WRITE` when one could not be written.
   */
  async sync(): Promise<void> {
    await this.flush();
    try {
      await this.#file.sync();
    } catch (cause) {
      throw this.#writeError(cause);
    }
  }

  /** Syncs and closes. A second call does nothing. Throws what `sync` throws, with the file closed. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      await this.sync();
    } finally {
      await this.#file.close();
    }
  }

  /** Never rejects: nobody may be awaiting it. A failure is kept for the next `write`, `flush` or `close`. */
  async #drain(): Promise<void> {
    while (this.#pending !== "" && !this.#failure) {
      const lines = this.#pending;
      this.#pending = "";
      try {
        await this.#file.appendFile(lines);
      } catch (cause) {
        this.#failure = this.#writeError(cause);
      }
    }
    this.#writing = undefined;
  }

  #writeError(cause: unknown): RATError {
    const message = `Writing to the log ${this.path} failed: ${reason(cause)}. Free some space and use \`resume\``;
    return new RATError("ERR_RAT_CHECKPOINT_WRITE", message, { cause, details: { file: this.path } });
  }
}

function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
