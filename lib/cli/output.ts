/** Where a command writes: results to stdout, everything else to stderr. */
import { RATError } from "../errors.js";

/** A reader that has gone away (`r-at predict | head`) is no error: writing stops, quietly. */
let readerIsGone = false;

/** Must be called once, before anything is written: an unheard `error` event would end the process with a stack. */
export function guardStreams(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") readerIsGone = true; // Anything else reaches the callback in `print`.
  });
  process.stderr.on("error", () => {}); // Nobody is left to be told.
}

/**
 * Writes one line to stdout and waits until it is out, so that a slow reader slows the command down.
 *
 * @returns Whether anybody still reads.
 * @throws RATError `ERR_RAT_PATH` when it cannot be written (disk full).
 */
export async function print(line: string): Promise<boolean> {
  if (readerIsGone) return false;
  await new Promise<void>((resolve, reject) => {
    process.stdout.write(`${line}\n`, (error?: NodeJS.ErrnoException | null) => {
      if (!error || error.code === "EPIPE") resolve();
      else
        reject(new RATError("ERR_RAT_PATH", `stdout cannot be written: ${error.message}`, { cause: error }));
    });
  });
  return !readerIsGone;
}

/** The one line of `--json`. */
export function printJson(value: object): Promise<boolean> {
  return print(JSON.stringify(value));
}

/** A line to stderr, for people. */
export function note(line: string): void {
  process.stderr.write(`${line}\n`);
}
