/** `--skip-bad-rows` of the commands that read one file. */
import { type BadRow, badRowOf } from "../datasets/bad-row.js";
import type { RATError } from "../errors.js";
import { note } from "./output.js";

/** Rows that were left out. */
export class BadRows {
  readonly #rows: BadRow[] = [];
  /** What readers are to be given; undefined where the first bad row is an error. */
  readonly take: ((error: RATError) => void) | undefined;

  constructor(areSkipped: boolean | undefined) {
    this.take = areSkipped ? (error) => void this.#rows.push(badRowOf(error)) : undefined;
  }

  /** Says how many there were, and why. */
  async tell(): Promise<void> {
    const { describeBadRows } = await import("../render/data-notes.js");
    for (const line of describeBadRows(this.#rows)) note(line);
  }
}
