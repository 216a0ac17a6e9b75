/** JSON lines: one JSON object a line. */
import { RATError } from "../errors.js";
import { formatError, leaveOut, type Place, shorten } from "./data-error.js";
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
    const value = parseObject(text, { file: path, line });
    if (value instanceof RATError) leaveOut(value, options.onBadRow);
    else yield { value, line };
  }
}

function parseObject(text: string, place: Place): Record<string, unknown> | RATError {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const reason = shorten((error as Error).message, 120);
    return formatError(place, `not one JSON object a line: ${reason}`, error);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return formatError(place, `expected a JSON object on every line but found ${shorten(text)}`);
  return value as Record<string, unknown>;
}
