/**
 * `r-at predict --output FILE`: predictions as CSV, JSON lines or Parquet, by the file's suffix; complete or not there at all.
 */
import { createWriteStream, type WriteStream } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { finished } from "node:stream/promises";
import { pathError } from "../errors.js";
import { remove, temporarySibling } from "../files/durable-file.js";
import type { Prediction } from "../inference/classifier.js";
import { csvField } from "../render/csv-field.js";
import type { TextOrPair } from "../tokenizers/types.js";
import { UsageError } from "./failure.js";

/** A text, and what tells it apart in its file. */
export interface Asked extends TextOrPair {
  readonly id?: string | undefined;
}

/** A prediction, and what tells which text it is of. */
export type PredictionRow = Prediction & Partial<Asked>;

/** One result, with its text where that is wanted. */
export function rowOf(
  { id, text, pair }: Partial<Asked> = {},
  prediction: Prediction,
  { withText }: { readonly withText: boolean },
): PredictionRow {
  return {
    ...(id !== undefined && { id }),
    ...(withText && { text, ...(pair !== undefined && { pair }) }),
    ...prediction,
  };
}

/** Digits of a probability in a file. */
const DIGITS = 6;

export class PredictionFile {
  readonly format: "csv" | "jsonl" | "parquet";
  readonly #path: string;
  readonly #partial: string;
  #stream: WriteStream | undefined;
  #columns: readonly string[] | undefined;
  /** Of a Parquet file, whose columns are written one after the other. */
  #rows: Record<string, unknown>[] = [];

  /**
   * Makes nothing yet.
   *
   * @throws UsageError for a suffix that is none of them.
   */
  constructor(path: string) {
    const suffix = /\.(csv|jsonl|ndjson|parquet)$/i.exec(path)?.[1]?.toLowerCase();
    if (suffix === undefined)
      throw new UsageError(
        `Expected a file that ends in .csv, .jsonl or .parquet for --output but received ${path}`,
      );
    this.#path = path;
    this.#partial = temporarySibling(path);
    this.format = suffix === "csv" || suffix === "parquet" ? suffix : "jsonl";
  }

  async write(rows: readonly PredictionRow[]): Promise<void> {
    if (this.format === "parquet") {
      for (const row of rows) this.#rows.push(flatten(rounded(row)));
      return;
    }
    const lines = rows
      .map(rounded)
      .map((row) => (this.format === "csv" ? this.#csvLine(row) : JSON.stringify(row)));
    if (lines.length === 0) return;
    await new Promise<void>((resolve, reject) => {
      this.#open().write(`${lines.join("\n")}\n`, (error) =>
        error ? reject(this.#failure(error)) : resolve(),
      );
    });
  }

  /** Puts the file where it belongs. */
  async finish(): Promise<void> {
    try {
      if (this.format === "parquet") await writeFile(this.#partial, await parquetOf(this.#rows));
      else {
        const stream = this.#open();
        stream.end();
        await finished(stream);
      }
      await rename(this.#partial, this.#path);
    } catch (error) {
      throw this.#failure(error);
    }
  }

  /** Takes away what was written, after a failure. */
  async discard(): Promise<void> {
    this.#stream?.destroy();
    await remove(this.#partial);
  }

  #open(): WriteStream {
    if (this.#stream === undefined) {
      this.#stream = createWriteStream(this.#partial);
      this.#stream.on("error", () => undefined); // Told by the write, or by the end, that it keeps from happening.
    }
    return this.#stream;
  }

  /** The first row decides on the columns, and is preceded by their names. */
  #csvLine(row: PredictionRow): string {
    const flat = flatten(row);
    const names = this.#columns ?? Object.keys(flat);
    const line = names.map((name) => csvField(String(flat[name] ?? ""))).join(",");
    if (this.#columns) return line;
    this.#columns = names;
    return `${names.map(csvField).join(",")}\n${line}`;
  }

  #failure(error: unknown): Error {
    const reason = error instanceof Error ? error.message : String(error);
    return pathError(this.#path, `${this.#path} cannot be written: ${reason}`, error);
  }
}

function rounded(row: PredictionRow): PredictionRow {
  const round = (value: number) => Number(value.toFixed(DIGITS));
  const { probability, probabilities } = row;
  return {
    ...row,
    ...(probability !== undefined && { probability: round(probability) }),
    ...(probabilities && {
      probabilities: Object.fromEntries(Object.entries(probabilities).map(([name, p]) => [name, round(p)])),
    }),
  } as PredictionRow;
}

/** A column `p(NAME)` for each probability, and labels with `|` between them. */
function flatten({ probabilities = {}, labels, ...row }: PredictionRow): Record<string, unknown> {
  return {
    ...row,
    ...(labels && { labels: labels.join("|") }),
    ...Object.fromEntries(Object.entries(probabilities).map(([name, p]) => [`p(${name})`, p])),
  };
}

/** Numbers as doubles, all else as strings; the columns are those of the first row. */
async function parquetOf(rows: readonly Record<string, unknown>[]): Promise<Uint8Array> {
  const { parquetWriteBuffer } = await import("hyparquet-writer");
  const columnData = Object.entries(rows[0] ?? { label: "" }).map(([name, first]) => ({
    name,
    ...(typeof first === "number"
      ? { type: "DOUBLE" as const, data: rows.map((row) => Number(row[name])) }
      : { type: "STRING" as const, data: rows.map((row) => String(row[name] ?? "")) }),
  }));
  return new Uint8Array(parquetWriteBuffer({ columnData }));
}
