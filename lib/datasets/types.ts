/** What a task and its examples are. No reading happens here. */
import type { F1Average, MetricName } from "../metrics/types.js";
import type { Label, TaskKind } from "../targets/index.js";
import type { BadRow } from "./bad-row.js";

/** One row of a data set. */
export interface Example {
  readonly text: string;
  /** The second text of a pair task. */
  readonly pair?: string;
  /** One of the task's `labels`; a number for regression; for multi-label tasks an array of those that it has. */
  readonly label: Label;
}

/** Anything that yields examples; read once and kept encoded. */
export type Dataset = Iterable<Example> | AsyncIterable<Example>;

/**
 * A task as `loadTask` returns it, or as a caller puts it together. `D` is how its data sets are held: `loadTask` gives
 * arrays, a caller may give any iterable.
 */
export interface Task<D extends Dataset = Dataset> {
  readonly name: string;
  readonly kind: TaskKind;
  /** Class names in index order; empty for regression. */
  readonly labels: readonly string[];
  /** Metrics to report; the first one chooses the best model. */
  readonly metrics: readonly MetricName[];
  /** Of what F1 is: class 1 of two, or the mean over the classes. Default: macro. */
  readonly f1Average?: F1Average | undefined;
  /** Where the data come from, for the run's `config.json`. `loadTask` says it; a copy of its task by spread does not. */
  readonly source?: TaskSource | undefined;
  readonly train: D;
  readonly dev: D | null;
  /** A second dev set, which chooses nothing: MNLI's mismatched genres. */
  readonly "dev-mismatched"?: D | null;
  /** Null where the test labels are not public. */
  readonly test: D | null;
}

/** What a task was read with, and from. */
export interface TaskSource {
  /** As options of a run's configuration. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly files: readonly DataFile[];
}

/** A file, or a folder where the task comes as one, that was read. */
export interface DataFile {
  readonly split: SplitName;
  /** Absolute. */
  readonly path: string;
  /** Rows in it, those that were left out aside. */
  readonly rows: number;
}

/** The data sets of a task. */
export type SplitName = "train" | "dev" | "dev-mismatched" | "test";
export const SPLIT_NAMES: readonly SplitName[] = ["train", "dev", "dev-mismatched", "test"];

/** A task whose data sets are in memory. */
export type LoadedTask = Task<readonly Example[]> & {
  /** Rows of the files that were left out: damaged ones of QQP, those of MNLI that people did not agree about. */
  readonly skippedRows?: number;
  /** With `skipBadRows`: rows that could not be read. */
  readonly badRows?: readonly BadRow[];
};
