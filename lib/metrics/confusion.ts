/** The counts that every classification metric is made of. */
import { invalidArgument } from "../errors.js";

/** Class indices, one a row: what a model said, and what is right. */
export interface ClassPredictions {
  /** Number of classes C; every index is below it. */
  readonly labels: number;
  /** `[N]` */
  readonly predictions: ArrayLike<number>;
  /** `[N]` */
  readonly references: ArrayLike<number>;
}

/**
 * How often each class was taken for each other one: `matrix[reference][prediction]`, `[C][C]`. As
 * `sklearn.metrics.confusion_matrix` with all labels.
 *
 * @throws RATError `ERR_RAT_INVALID_ARG` for lists of different lengths or an index that is no class.
 */
export function confusionMatrix({ labels, predictions, references }: ClassPredictions): number[][] {
  if (!Number.isInteger(labels) || labels < 1) {
    invalidArgument("labels", "the number of classes, at least 1", labels);
  }
  checkSameLength(predictions, references);
  const matrix = Array.from({ length: labels }, () => new Array<number>(labels).fill(0));
  for (let row = 0; row < references.length; row++) {
    const counts = matrix[checkClass("references", references[row], row, labels)];
    const column = checkClass("predictions", predictions[row], row, labels);
    if (counts !== undefined) counts[column] = (counts[column] ?? 0) + 1;
  }
  return matrix;
}

/** What one class has in a confusion matrix. */
export interface ClassCounts {
  /** Rows of the class that were found. */
  readonly hits: number;
  /** Rows that were taken for the class. */
  readonly predicted: number;
  /** Rows of the class. */
  readonly support: number;
}

/** The counts of each class, in index order. */
export function classCounts(matrix: readonly (readonly number[])[]): ClassCounts[] {
  return matrix.map((row, index) => ({
    hits: row[index] ?? 0,
    predicted: sum(matrix.map((other) => other[index] ?? 0)),
    support: sum(row),
  }));
}

/** The sum of counts. */
export function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

/** @throws RATError `ERR_RAT_INVALID_ARG` when the two differ in length. */
export function checkSameLength(predictions: ArrayLike<number>, references: ArrayLike<number>): void {
  if (predictions.length !== references.length) {
    invalidArgument("predictions", `as many rows as references (${references.length})`, predictions.length);
  }
}

function checkClass(name: string, value: number | undefined, row: number, labels: number): number {
  if (value === undefined || !Number.isInteger(value) || value < 0 || value >= labels) {
    return invalidArgument(`${name}[${row}]`, `a class index from 0 to ${labels - 1}`, value);
  }
  return value;
}
