/** CSV as RFC 4180 has it: quoted fields, `""` for a quote, line breaks inside quotes; LF or CRLF. */
import { CsvError, type Options, Parser } from "csv-parse";
import { dataError, formatError } from "./data-error.js";
import { checkColumnCount, isBlankRow, type TableRow } from "./table.js";
import { MAX_LINE_BYTES, type ReadOptions, readBlocks } from "./text-file.js";

/** Those that are looked for. */
const DELIMITERS: readonly string[] = [",", ";", "\t", "|"];

export interface CsvOptions extends ReadOptions {
  /** One character between fields, or `auto`: the one that the first row has most of. Default: a comma. */
  readonly delimiter?: string | undefined;
}

/**
 * The rows of a CSV file, the header (if it has one) first. Every row must have as many columns as the first; blank
 * lines are skipped, except in a file of one column.
 *
 * @throws RATError `ERR_RAT_DATA_FORMAT` for wrong quoting or another number of columns, with the line where the row
 * starts; `ERR_RAT_LIMIT` for a row above 64 MiB; and as `readBlocks`.
 */
export async function* readCsv(path: string, options: CsvOptions = {}): AsyncGenerator<TableRow> {
  let parser = options.delimiter === "auto" ? undefined : new RecordParser(path, options.delimiter ?? ",");
  let columns: number | undefined;
  const checked = function* (rows: readonly TableRow[]): Generator<TableRow> {
    for (const row of rows) {
      if (isBlankRow(row.fields, columns)) continue;
      columns ??= row.fields.length;
      checkColumnCount(path, row, columns, "a field with a comma, a quote or a line break must be quoted");
      yield row;
    }
  };
  for await (const { bytes } of readBlocks(path, options)) {
    parser ??= new RecordParser(path, delimiterOf(bytes.toString("utf8")));
    yield* checked(await parser.parse(bytes));
  }
  if (parser) yield* checked(await parser.finish());
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

/** csv-parse, fed block by block; it gives rows with the physical line where each starts. */
class RecordParser {
  readonly #file: string;
  readonly #parser: Parser;
  #rows: TableRow[] = [];
  /** Where the next row starts. csv-parse's own counter takes a CRLF inside quotes for two lines. */
  #line = 1;

  constructor(file: string, delimiter: string) {
    this.#file = file;
    const options: Options<string[]> = {
      delimiter,
      record_delimiter: ["\r\n", "\n"],
      relax_column_count: true,
      max_record_size: MAX_LINE_BYTES,
      on_record: (fields) => {
        this.#rows.push({ fields, line: this.#line });
        this.#line += 1;
        for (const field of fields) if (field.includes("\n")) this.#line += field.split("\n").length - 1;
        return null; // Taken; nothing goes through the stream's own queue.
      },
    };
    this.#parser = new Parser(options as ConstructorParameters<typeof Parser>[0]);
    this.#parser.on("error", () => undefined); // Reported by the call that caused it.
  }

  /** Rows that end in this block. */
  parse(bytes: Buffer): Promise<TableRow[]> {
    return this.#take((done) => this.#parser.write(bytes, done));
  }

  /** The last row, if the file does not end with a line end. */
  finish(): Promise<TableRow[]> {
    return this.#take((done) => this.#parser.end(done));
  }

  #take(feed: (done: (error?: Error | null) => void) => void): Promise<TableRow[]> {
    return new Promise((resolve, reject) => {
      feed((error) => {
        if (error) return reject(this.#explain(error));
        resolve(this.#rows);
        this.#rows = [];
      });
    });
  }

  #explain(error: Error): Error {
    const place = { file: this.#file, line: this.#line };
    const code = error instanceof CsvError ? error.code : undefined;
    if (code === "CSV_MAX_RECORD_SIZE") {
      return dataError("ERR_RAT_LIMIT", place, "the row is longer than 64 MiB; is a closing quote missing?");
    }
    const problem =
      code === "CSV_QUOTE_NOT_CLOSED"
        ? "the row has an opening quote that is never closed"
        : 'wrong quoting: a field with a quote in it must stand in quotes, and the quote be doubled ("")';
    return formatError(place, problem, error);
  }
}
