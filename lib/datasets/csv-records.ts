/** csv-parse, fed block by block. */
import { CsvError, type Options, Parser } from "csv-parse";
import type { RATError } from "../errors.js";
import { dataError, formatError } from "./data-error.js";
import type { TableRow } from "./table.js";
import { MAX_LINE_BYTES } from "./text-file.js";

/** Gives rows with the physical line where each starts. */
export class RecordParser {
  readonly #file: string;
  readonly #parser: Parser;
  #rows: TableRow[] = [];
  /** Where the next row starts. csv-parse's own counter takes a CRLF inside quotes for two lines. */
  #line: number;

  /** @param line - That of the first block. */
  constructor(file: string, delimiter: string, line = 1) {
    this.#file = file;
    this.#line = line;
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

  /** The block's rows before what a call failed with. */
  takeRows(): TableRow[] {
    const rows = this.#rows;
    this.#rows = [];
    return rows;
  }

  /**
   * Rows that end in this block.
   *
   * @throws RATError `ERR_RAT_DATA_FORMAT` for wrong quoting, `ERR_RAT_LIMIT` for a row above 64 MiB, both with the line where
   *   the row starts.
   */
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
        if (error) reject(this.#explain(error));
        else resolve(this.takeRows());
      });
    });
  }

  #explain(error: Error): RATError {
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
