/** CSV as RFC 4180 has it: quoted fields, `""` for a quote, line breaks inside quotes; LF or CRLF. */
import { isRATError, RATError } from "../errors.js";
import { RecordParser } from "./csv-records.js";
import { leaveOut } from "./data-error.js";
import { columnCountError, isBlankRow, type TableRow } from "./table.js";
import { type ReadOptions, readBlocks } from "./text-file.js";

/** Those that are looked for. */
const DELIMITERS: readonly string[] = [",", ";", "\t", "|"];

export interface CsvOptions extends ReadOptions {
  /** One character between fields, or `auto`: the one that the first row has most of. Default: a comma. */
  readonly delimiter?: string | undefined;
}

const REMEDY = "a field with a comma, a quote or a line break must be quoted";
/** Bytes that a parser gets at once where the file is in memory. */
const PIECE_BYTES = 64 * 1024;
const NEWLINE = 0x0a;

/**
 * The rows of a CSV file, the header (if it has one) first. Every row must have as many columns as the first; blank
 * lines are skipped, except in a file of one column.
 *
 * With `onBadRow` the line that a bad row begins with is left out and reading goes on with the next one: a quote too many
 * costs its own line, not all up to the next quote. The file is in memory then.
 *
 * @throws RATError `ERR_RAT_DATA_FORMAT` for wrong quoting or another number of columns, with the line where the row
 * starts; `ERR_RAT_LIMIT` for a row above 64 MiB; and as `readBlocks`.
 */
export async function* readCsv(path: string, options: CsvOptions = {}): AsyncGenerator<TableRow> {
  if (options.onBadRow) {
    yield* readLeniently(path, options);
    return;
  }
  let parser = options.delimiter === "auto" ? undefined : new RecordParser(path, options.delimiter ?? ",");
  let columns: number | undefined;
  const checked = function* (rows: readonly TableRow[]): Generator<TableRow> {
    for (const row of rows) {
      if (isBlankRow(row.fields, columns)) continue;
      columns ??= row.fields.length;
      const error = columnCountError(path, row, columns, REMEDY);
      if (error) throw error;
      yield row;
    }
  };
  for await (const { bytes } of readBlocks(path, options)) {
    parser ??= new RecordParser(path, delimiterOf(bytes.toString("utf8")));
    yield* checked(await parser.parse(bytes));
  }
  if (parser) yield* checked(await parser.finish());
}

/** Bytes of a file from a line on. */
interface Rest {
  readonly bytes: Buffer;
  readonly line: number;
}

/** Reads from one bad row to the next. */
async function* readLeniently(path: string, options: CsvOptions): AsyncGenerator<TableRow> {
  const blocks: Buffer[] = [];
  for await (const block of readBlocks(path, options)) blocks.push(block.bytes);
  const bytes = Buffer.concat(blocks);
  const { delimiter: given = "," } = options;
  const delimiter = given === "auto" ? delimiterOf(bytes.toString("utf8", 0, PIECE_BYTES)) : given;
  let columns: number | undefined;
  const problemOf = (row: TableRow | RATError): RATError | undefined => {
    if (row instanceof RATError) return row;
    columns ??= row.fields.length;
    return columnCountError(path, row, columns, REMEDY);
  };
  for (let rest: Rest | undefined = { bytes, line: 1 }; rest !== undefined; ) {
    const from: Rest = rest;
    rest = undefined;
    for await (const row of readFrom(path, from, delimiter)) {
      if (!(row instanceof RATError) && isBlankRow(row.fields, columns)) continue;
      const problem = problemOf(row);
      if (problem === undefined) {
        yield row as TableRow;
        continue;
      }
      // A file without a first row is none.
      if (columns === undefined) throw problem;
      leaveOut(problem, options.onBadRow);
      rest = withoutLines(from, Number(problem.details?.line) - from.line + 1);
      break;
    }
  }
}

/** Rows, and at last what went wrong, if something did. */
async function* readFrom(
  path: string,
  { bytes, line }: Rest,
  delimiter: string,
): AsyncGenerator<TableRow | RATError> {
  const parser = new RecordParser(path, delimiter, line);
  try {
    for (let start = 0; start < bytes.length; start += PIECE_BYTES)
      yield* await parser.parse(bytes.subarray(start, start + PIECE_BYTES));
    yield* await parser.finish();
  } catch (error) {
    yield* parser.takeRows();
    if (!isRATError(error, "ERR_RAT_DATA_FORMAT") && !isRATError(error, "ERR_RAT_LIMIT")) throw error;
    yield error;
  }
}

function withoutLines({ bytes, line }: Rest, count: number): Rest {
  let end = 0;
  for (let passed = 0; passed < count; passed++) {
    const next = bytes.indexOf(NEWLINE, end);
    if (next < 0) return { bytes: bytes.subarray(bytes.length), line: line + count };
    end = next + 1;
  }
  return { bytes: bytes.subarray(end), line: line + count };
}

/** The delimiter that the first row has most often outside of quotes; a comma where it has none. */
export function delimiterOf(text: string): string {
  const counts = new Map(DELIMITERS.map((delimiter) => [delimiter, 0]));
  let isQuoted = false;
  for (const character of text) {
    if (character === '"') isQuoted = !isQuoted;
    else if (!isQuoted && character === "\n") break;
    else if (!isQuoted) {
      const count = counts.get(character);
      if (count !== undefined) counts.set(character, count + 1);
    }
  }
  const [[first] = [","]] = [...counts].filter(([, count]) => count > 0).sort(([, a], [, b]) => b - a);
  return first;
}
