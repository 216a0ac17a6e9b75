/** What a task's files look like, as data: everything that is particular to one data set. */

import type { MetricName } from "../metrics/types.js";
import type { TaskKind } from "../targets/index.js";
import type { Layout, RawExample, Syntax } from "./layout.js";
import type { ReadOptions } from "./text-file.js";

/**
 * Where the splits of a task come from. File names stand without `.gz`, which may follow; a name that ends in `/` is a
 * folder. `hub` is what the Hugging Face hub calls the split, for the files that it serves ({@link hubFiles}).
 */
export interface SplitPlan {
  readonly train: readonly string[];
  /** File names of the dev set. If there is none, this share of each class of the training rows is held out. */
  readonly dev: {
    readonly files: readonly string[];
    readonly hub?: string;
    readonly heldOut?: number;
    /** A file with the ids of the training rows that are dev, where train and dev come as one file. */
    readonly ids?: string;
  };
  /** A second dev set (MNLI's mismatched genres). */
  readonly mismatched?: { readonly files: readonly string[]; readonly hub: string };
  /** Null where the test labels are not public. */
  readonly test: {
    readonly files: readonly string[];
    readonly hub?: string;
    readonly required: boolean;
  } | null;
}

/** Names of a split's files as the hub serves it: Parquet, in shards numbered in place of `*`, or JSON lines. */
export function hubFiles(split: string | undefined): string[] {
  if (split === undefined) return [];
  return [
    `${split}-*.parquet`,
    `data/${split}-*.parquet`,
    `${split}.parquet`,
    `${split}.jsonl`,
    `${split}.json`,
  ];
}

/** A task as the registry knows it. */
export interface TaskDefinition {
  readonly name: string;
  /** One sentence for `r-at data`. */
  readonly description: string;
  readonly kind: TaskKind;
  /** Class names in index order; empty for regression; null if they are found in the training data. */
  readonly labels: readonly string[] | null;
  /** How the files spell the labels, where that is not their name. */
  readonly spellings?: Readonly<Record<string, string>>;
  /** Between the fields of CSV files, or `auto`. Default: a comma. */
  readonly delimiter?: string;
  /** Between the labels of a row that has several. */
  readonly labelSeparator?: string;
  /** What stands in place of a label that is not there; such a row is left out of data that need labels. */
  readonly unlabelled?: readonly string[];
  /** Whether rows with too few columns are left out, as everybody does with the few damaged ones of the official files. */
  readonly skipsShortRows?: boolean;
  /** Metrics to report; the first one chooses the best model. */
  readonly metrics: readonly MetricName[];
  /** As {@link Task}'s. */
  readonly f1Average?: "binary";
  /** Syntax of files whose suffix does not tell; null if the suffix must. */
  readonly syntax: Syntax | null;
  readonly layouts: readonly Layout[];
  /** Usual names of the task's folder, looked for under the folder that was given. */
  readonly folders: readonly string[];
  readonly official: SplitPlan;
  /** Null if the paper has no such task. */
  readonly paper: SplitPlan | null;
  /** In words, what `paper` does; with "assumed" where the paper's sizes leave it open. */
  readonly paperNote: string | null;
  /** Reads a folder that stands in place of a file. */
  readonly readFolder?: (path: string, options: ReadOptions) => AsyncGenerator<RawExample>;
}

/** Share of the training rows that is held out where a set has no dev file. */
export const HELD_OUT = 0.1;
