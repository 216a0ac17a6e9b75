/** What `r-at data check` finds in a task's files: rows, labels, lengths, and what looks wrong. */
import { type TaskKind, targetOf } from "../targets/index.js";
import type { BadRow } from "./bad-row.js";
import { type ClassCount, type Concerns, countLabels, findConcerns } from "./concerns.js";
import { type LoadTaskOptions, loadTask } from "./load-task.js";
import { measureTexts, type Quantiles, quantiles } from "./text-statistics.js";
import type { Example, LoadedTask, SplitName } from "./types.js";

/** One bar of a histogram: lengths from `from` up to and including `to`. */
export interface HistogramBin {
  readonly from: number;
  readonly to: number;
  readonly rows: number;
}

/** What there is in one split. */
export interface SplitReport {
  readonly split: SplitName;
  readonly rows: number;
  /** Rows of each class in index order; empty for regression. */
  readonly labels: readonly ClassCount[];
  /** Scores of a regression; null for classification. */
  readonly scores: { readonly min: number; readonly mean: number; readonly max: number } | null;
  /** Length in Unicode code points; of a pair, both texts together. */
  readonly characters: Quantiles;
  /** Length in words between white space. */
  readonly words: Quantiles;
  /** Rows without any text. */
  readonly empty: number;
  /** Rows whose text stood in an earlier row of the split. */
  readonly duplicates: number;
}

/** What {@link checkTask} finds. */
export interface TaskReport {
  readonly task: string;
  readonly kind: TaskKind;
  /** Number of classes; 0 for regression. */
  readonly classes: number;
  readonly splits: readonly SplitReport[];
  /** Rows that were left out: damaged, or without a label that people agreed about. */
  readonly skippedRows: number;
  /** With `skipBadRows`: rows that could not be read. */
  readonly badRows?: readonly BadRow[];
  /** Rows of the test set whose text also stands in the training set; null without a test set. */
  readonly testRowsInTrain: number | null;
  readonly concerns: Concerns;
  /** Lengths of the training texts, in words, or in characters where words are not separated by blanks. */
  readonly histogram: { readonly unit: "words" | "characters"; readonly bins: readonly HistogramBin[] };
}

/**
 * Loads a task as `loadTask` does (dev rows held out of train where there is no dev file) and looks at what is in it.
 *
 * @throws RATError as `loadTask`.
 */
export async function reportTask(name: string, options: LoadTaskOptions = {}): Promise<TaskReport> {
  const task = await loadTask(name, options);
  const train = await measureSplit(task, "train", task.train, options.signal);
  const splits = [train.report];
  for (const split of ["dev", "dev-mismatched", "test"] as const) {
    const examples = task[split];
    if (examples) splits.push((await measureSplit(task, split, examples, options.signal)).report);
  }

  const concerns = await findConcerns(task, options.signal);
  const inTrain = concerns.overlaps.find(({ split, with: other }) => split === "test" && other === "train");
  const { characters, words } = train.report;
  const unit = characters.median > 12 * words.median ? "characters" : "words";
  return {
    task: task.name,
    kind: task.kind,
    classes: task.labels.length,
    splits,
    skippedRows: task.skippedRows ?? 0,
    ...(task.badRows && { badRows: task.badRows }),
    testRowsInTrain: task.test && (inTrain?.rows ?? 0),
    concerns,
    histogram: { unit, bins: histogram(train.texts[unit]) },
  };
}

async function measureSplit(
  task: LoadedTask,
  split: SplitReport["split"],
  examples: readonly Example[],
  signal: AbortSignal | undefined,
) {
  const texts = await measureTexts(examples, signal);
  const scores = examples.flatMap(({ label }) => (typeof label === "number" ? [label] : []));
  const report: SplitReport = {
    split,
    rows: examples.length,
    labels: countLabels(task.labels, examples),
    scores: targetOf(task.kind).fewestLabels > 0 ? null : summarise(scores),
    characters: quantiles(texts.characters),
    words: quantiles(texts.words),
    empty: texts.empty,
    duplicates: texts.duplicates,
  };
  return { report, texts };
}

function summarise(scores: readonly number[]) {
  let [min, max, sum] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0];
  for (const score of scores) {
    min = Math.min(min, score);
    max = Math.max(max, score);
    sum += score;
  }
  return { min, mean: sum / scores.length, max };
}

/** Ten bins of equal width up to the 99th percentile; the last one takes the few longer texts too. */
function histogram(ascending: Int32Array): HistogramBin[] {
  const largest = ascending.at(-1) ?? 0;
  const p99 = ascending[Math.max(Math.ceil(0.99 * ascending.length) - 1, 0)] ?? 0;
  const width = Math.max(Math.ceil((p99 + 1) / 10), 1);
  const rows = new Array<number>(Math.min(10, Math.ceil((p99 + 1) / width))).fill(0);
  for (const length of ascending) {
    const bin = Math.min(Math.floor(length / width), rows.length - 1);
    rows[bin] = (rows[bin] ?? 0) + 1;
  }
  return rows.map((count, bin) => ({
    from: bin * width,
    to: bin === rows.length - 1 ? Math.max(largest, bin * width) : (bin + 1) * width - 1,
    rows: count,
  }));
}
