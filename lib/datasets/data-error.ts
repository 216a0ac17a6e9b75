/** Errors about the content of data files: always with file and line, in the message and in `details`. */
import { RATError, type RATErrorCode } from "../errors.js";

/** A place in a data file. */
export interface Place {
  readonly file: string;
  /** 1-based physical line where the row starts. */
  readonly line: number;
}

/** An error about the content of a file at `place`; `problem` says what is wrong and what mends it. */
export function dataError(code: RATErrorCode, place: Place, problem: string, cause?: unknown): RATError {
  return new RATError(code, `${place.file}:${place.line}: ${problem}`, {
    cause,
    details: { file: place.file, line: place.line },
  });
}

/** {@link dataError} with `ERR_RAT_DATA_FORMAT`. */
export function formatError(place: Place, problem: string, cause?: unknown): RATError {
  return dataError("ERR_RAT_DATA_FORMAT", place, problem, cause);
}

/**
 * Tells of a row that cannot be read, where somebody wants to go on without it.
 *
 * @throws RATError `error`, where nobody does.
 */
export function leaveOut(error: RATError, onBadRow: ((error: RATError) => void) | undefined): void {
  if (onBadRow === undefined) throw error;
  onBadRow(error);
}

/** Turns what the file system says into `ERR_RAT_PATH`, naming what was looked for; anything else passes unchanged. */
export function pathError(error: unknown, path: string): unknown {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  if (error instanceof RATError || code === undefined || !/^E[A-Z]+$/.test(code)) return error;
  const problem =
    code === "ENOENT" || code === "ENOTDIR"
      ? "does not exist"
      : code === "EISDIR"
        ? "is a folder where a file was expected"
        : `cannot be read (${code})`;
  return new RATError("ERR_RAT_PATH", `${path} ${problem}`, { cause: error, details: { file: path } });
}

/** At most `limit` names, quoted, and how many there are in all. */
export function nameSome(names: readonly string[], limit = 10): string {
  const some = names.slice(0, limit).map((name) => JSON.stringify(shorten(name)));
  return names.length > limit ? `${some.join(", ")}, … (${names.length} in all)` : some.join(", ");
}

/** `text` cut to a length that fits into a message. */
export function shorten(text: string, length = 60): string {
  return text.length > length ? `${text.slice(0, length)}…` : text;
}
