/** TSV as GLUE has it: fields between tabs, no quoting (a `"` is data), one row a line. */
import { leaveOut } from "./data-error.js";
import { columnCountError, isBlankRow, type TableRow } from "./table.js";
import { type ReadOptions, readLines } from "./text-file.js";

/** How short rows are treated. */
export interface TsvOptions extends ReadOptions {
  /** Whether rows with too few columns are left out; default false. */
  readonly skipsShortRows?: boolean | undefined;
  /** Called for each row that is left out. */
  readonly onSkip?: (() => void) | undefined;
}

/**
 * The rows of a TSV file, the header (if it has one) first. Every row must have as many columns as the first; blank
 * lines are skipped, except in a file of one column.
 *
 * @throws RATError `ERR_RAT_DATA_FORMAT` for another number of columns, with the line; and as `readLines`.
 */
export async function* readTsv(path: string, options: TsvOptions = {}): AsyncGenerator<TableRow> {
  let columns: number | undefined;
  for await (const { text, line } of readLines(path, options)) {
    const fields = text.split("\t");
    if (isBlankRow(fields, columns)) continue;
    columns ??= fields.length;
    if (options.skipsShortRows && fields.length < columns) {
      options.onSkip?.();
      continue;
    }
    const row = { fields, line };
    const remedy = "fields are separated by single tabs, and there is no quoting";
    const error = columnCountError(path, row, columns, remedy);
    if (error) leaveOut(error, options.onBadRow);
    else yield row;
  }
}
