/** `r-at predict --output FILE`: predictions as CSV or JSON lines, by the file's suffix; complete or not there at all. */
import { createWriteStream, type WriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { finished } from "node:stream/promises";
import { pathError } from "../errors.js";
import type { Prediction } from "../inference/classifier.js";
import type { TextOrPair } from "../tokenizers/types.js";
import { UsageError } from "./failure.js";

/** A text, and what tells it apart in its file. */
export interface Asked extends TextOrPair {
  readonly id?: string | undefined;
}

/** What stands in the file besides a text's prediction. */
export interface RowOptions {
  readonly withText: boolean;
}

/** Digits of a probability. */
const DIGITS = 6;

/** One result, flat enough for a table. */
export function rowOf(
  asked: Asked,
  prediction: Prediction,
  { withText }: RowOptions,
): Record<string, unknown> {
  const rounded = (value: number) => Number(value.toFixed(DIGITS));
  const { label, labels, score, probability, probabilities } = prediction;
  return {
    ...(asked.id !== undefined && { id: asked.id }),
    ...(withText && { text: asked.text, ...(asked.pair !== undefined && { pair: asked.pair }) }),
    ...(score !== undefined && { score }),
    ...(label !== undefined && { label, probability: rounded(probability) }),
    ...(labels !== undefined && { labels }),
    ...(probabilities && {
      probabilities: Object.fromEntries(Object.entries(probabilities).map(([name, p]) => [name, rounded(p)])),
    }),
  };
}

export class PredictionFile {
  readonly #path: string;
  readonly #partial: string;
  readonly #stream: WriteStream;
  readonly #format: "csv" | "jsonl";
  #columns: readonly string[] | undefined;

  /** @throws UsageError for a suffix that is neither. */
  constructor(path: string) {
    const suffix = /\.(csv|jsonl|ndjson)$/i.exec(path)?.[1]?.toLowerCase();
    if (suffix === undefined)
      throw new UsageError(`Expected a file that ends in .csv or .jsonl for --output but received ${path}`);
    this.#path = path;
    this.#partial = `${path}.partial`;
    this.#format = suffix === "csv" ? "csv" : "jsonl";
    this.#stream = createWriteStream(this.#partial);
    this.#stream.on("error", () => undefined); // Told by the write, or by the end, that it keeps from happening.
  }

  async write(rows: readonly Record<string, unknown>[]): Promise<void> {
    const lines = rows.map((row) => (this.#format === "csv" ? this.#csvLine(row) : JSON.stringify(row)));
    if (lines.length === 0) return;
    await new Promise<void>((resolve, reject) => {
      this.#stream.write(`${lines.join("\n")}\n`, (error) =>
        error ? reject(this.#failure(error)) : resolve(),
      );
    });
  }

  /** Puts the file where it belongs. */
  async finish(): Promise<void> {
    try {
      this.#stream.end();
      await finished(this.#stream);
      await rename(this.#partial, this.#path);
    } catch (error) {
      throw this.#failure(error);
    }
  }

  /** Takes away what was written, after a failure. */
  async discard(): Promise<void> {
    this.#stream.destroy();
    await rm(this.#partial, { force: true });
  }

  /** The first row decides on the columns, and is preceded by their names. */
  #csvLine(row: Record<string, unknown>): string {
    const flat = flatten(row);
    const names = this.#columns ?? Object.keys(flat);
    const line = names.map((name) => csvField(flat[name])).join(",");
    if (this.#columns) return line;
    this.#columns = names;
    return `${names.map(csvField).join(",")}\n${line}`;
  }

  #failure(error: unknown): Error {
    const reason = error instanceof Error ? error.message : String(error);
    return pathError(this.#path, `${this.#path} cannot be written: ${reason}`, error);
  }
}

/** A column `p(NAME)` for each probability, and labels with `|` between them. */
function flatten({ probabilities, labels, ...row }: Record<string, unknown>): Record<string, unknown> {
  const columns = Object.entries((probabilities ?? {}) as Record<string, number>);
  return {
    ...row,
    ...(Array.isArray(labels) && { labels: labels.join("|") }),
    ...Object.fromEntries(columns.map(([name, p]) => [`p(${name})`, p])),
  };
}

function csvField(value: unknown): string {
  const text = String(value ?? "");
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
