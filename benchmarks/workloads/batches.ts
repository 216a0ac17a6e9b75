/**
 * What is trained on: batches of seeded token ids whose lengths are distributed as those of real tasks, so that no data set
 * is needed and every implementation gets the same.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { mulberry32 } from "#dist/mulberry32.js";
import type { PackedBatch } from "#dist/native/binding.js";

interface Lengths {
  /** Which rows of the task. */
  readonly from: string;
  readonly mean: number;
  /** 201 of them, with `bert-base-uncased`, special tokens included. */
  readonly quantiles: readonly number[];
}

const lengths = JSON.parse(readFileSync(join(import.meta.dirname, "lengths.json"), "utf8")) as Record<
  string,
  Lengths
>;
export const workloadTasks: readonly string[] = Object.keys(lengths);

/** One batch as every implementation can read it. */
export interface TokenBatch {
  readonly texts: readonly (readonly number[])[];
  readonly labels: readonly number[];
}

/** `count` batches of a task. The words of a text follow Zipf's law, as those of real text do. */
export function tokenBatches(
  task: string,
  options: { batchSize: number; count: number; vocabularySize: number; classes: number; seed: number },
): TokenBatch[] {
  const distribution = lengths[task];
  if (!distribution) throw new Error(`there is no task ${task}; there are ${workloadTasks.join(", ")}`);
  const random = mulberry32(options.seed);
  const token = () => {
    const words = options.vocabularySize - FIRST_WORD;
    // The inverse of the integral of 1 / rank.
    return FIRST_WORD + Math.min(words - 1, Math.floor(words ** random()) - 1);
  };
  return Array.from({ length: options.count }, () => ({
    texts: Array.from({ length: options.batchSize }, () =>
      Array.from({ length: quantile(distribution.quantiles, random()) }, token),
    ),
    labels: Array.from({ length: options.batchSize }, () => Math.floor(random() * options.classes)),
  }));
}

/** `count` lengths, of each task in turn. */
export function lengthsOf(tasks: readonly string[], count: number): number[] {
  const random = mulberry32(1);
  return Array.from({ length: count }, (_, i) => {
    const distribution = lengths[tasks[i % tasks.length] ?? ""];
    return quantile(distribution?.quantiles ?? [1], random());
  });
}

/** Ids below it are special: padding, unknown, separators. */
const FIRST_WORD = 3;

function quantile(quantiles: readonly number[], p: number): number {
  return quantiles[Math.round(p * (quantiles.length - 1))] ?? 1;
}

/** As the native trainer takes it. Example ids go on over batches, so that each has masks of its own. */
export function pack({ texts, labels }: TokenBatch, firstExample: number, withTypes: boolean): PackedBatch {
  const starts = new Int32Array(texts.length + 1);
  texts.forEach((text, i) => {
    starts[i + 1] = (starts[i] ?? 0) + text.length;
  });
  const tokens = Int32Array.from(texts.flat());
  return {
    tokens,
    sequenceStarts: starts,
    labels: Int32Array.from(labels),
    exampleIds: Int32Array.from(texts, (_, i) => firstExample + i),
    ...(withTypes && { tokenTypes: new Uint8Array(tokens.length) }),
  };
}

export const tokensOf = ({ texts }: TokenBatch): number => texts.reduce((sum, text) => sum + text.length, 0);

/** How much longer the work is where each text is padded to the longest of its batch. */
export function paddingFactor(batches: readonly TokenBatch[]): number {
  const padded = batches.reduce(
    (sum, { texts }) => sum + texts.length * Math.max(...texts.map(({ length }) => length)),
    0,
  );
  return padded / batches.reduce((sum, batch) => sum + tokensOf(batch), 0);
}
