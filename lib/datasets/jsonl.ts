/** JSON lines: one JSON object a line. */
import { formatError, shorten } from "./data-error.js";
import { type ReadOptions, readLines } from "./text-file.js";

/** One object of a JSON lines file. */
export interface JsonRow {
  readonly value: Readonly<Record<string, unknown>>;
  /** 1-based. */
  readonly line: number;
}

/**
 * The objects of a JSON lines file; blank lines are skipped.
 *
 * @throws RATError `ERR_RAT_DATA_FORMAT` for a line that is not a JSON object, with the line; and as `readLines`.
 */
export async function* readJsonLines(path: string, options: ReadOptions = {}): AsyncGenerator<JsonRow> {
  for await (const { text, line } of readLines(path, options)) {
    if (text.trim() === "") continue;
    const place = { file: path, line };
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      throw formatError(
        place,
        `not one JSON object a line: ${shorten((error as Error).message, 120)}`,
        error,
      );
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw formatError(place, `expected a JSON object on every line but found ${shorten(text)}`);
    }
    yield { value: value as Record<string, unknown>, line };
  }
}
