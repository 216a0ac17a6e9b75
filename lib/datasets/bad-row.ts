/** Rows that `skipBadRows` leaves out. */
import type { RATError } from "../errors.js";

/** A row that could not be read, and why. */
export interface BadRow {
  readonly file: string;
  /** 1-based physical line where it starts. */
  readonly line: number;
  readonly problem: string;
}

/** The error of a reader as a row: its message without the place that it begins with. */
export function badRowOf({ message, details = {} }: RATError): BadRow {
  const { file = "", line = 0 } = details;
  const place = `${file}:${line}: `;
  return { file, line, problem: message.startsWith(place) ? message.slice(place.length) : message };
}
