/** What the readers of tables (CSV, TSV) have in common. */
import type { RATError } from "../errors.js";
import { formatError } from "./data-error.js";

/** One row of a CSV or TSV file; the header, if there is one, is the first. */
export interface TableRow {
  readonly fields: readonly string[];
  /** 1-based physical line where the row starts. */
  readonly line: number;
}

/** Whether a row is an empty line; in a table of one column an empty line after the first row is an empty text. */
export function isBlankRow(fields: readonly string[], columns: number | undefined): boolean {
  return fields.length === 1 && fields[0] === "" && columns !== 1;
}

/** What is wrong with a row that has not as many fields as the first row: `ERR_RAT_DATA_FORMAT`. */
export function columnCountError(
  file: string,
  row: TableRow,
  columns: number,
  remedy: string,
): RATError | undefined {
  if (row.fields.length === columns) return undefined;
  return formatError(
    { file, line: row.line },
    `the row has ${row.fields.length} columns where the first row has ${columns}; ${remedy}`,
  );
}
