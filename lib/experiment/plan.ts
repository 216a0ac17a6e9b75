/** An experiment before it runs: which trainings make which table. */
import type { OptionName } from "../config/options.js";
import type { RunConfig } from "../config/schema.js";
import type { PaperFigures } from "./paper-figures.js";

/** One training of a table. */
export interface PlannedRun {
  /** Those of one group share models, data and seeds, and are compared with each other: a model on a task, as a rule. */
  readonly group: string;
  /** A row of the table is a method, or what else varies, in a group of rows; as the table has it. */
  readonly row: string;
  readonly column: string;
  readonly seed: number;
  readonly config: RunConfig;
}

export interface ExperimentPlan {
  readonly name: string;
  readonly title: string;
  /** What a reader must know: choices that the paper leaves open, and everything that makes this smaller than the paper's. */
  readonly notes: readonly string[];
  /** Rows that gains are counted from. */
  readonly baselines: readonly string[];
  /** Published figures to compare with. */
  readonly paper?: PaperFigures | undefined;
  readonly runs: readonly PlannedRun[];
}

/** In the experiment's folder: described.ts. */
export const EXPERIMENT_FILE = "experiment.json";

/** 1 to n. */
export function firstSeeds(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1);
}

/** What a run is not another for: where and how it runs, and what it writes besides. Files count by their contents. */
export const NOT_COUNTED: ReadonlySet<string> = new Set<OptionName>([
  ...(["device", "threads", "logEvery", "checkpointEvery", "keepCheckpoints", "output"] as const),
  ...(["resume", "overwrite", "allowResumeElsewhere", "data", "train", "dev", "test", "preset"] as const),
]);
