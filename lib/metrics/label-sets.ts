/** Metrics of label sets, 1 or 0 for each label, row-major `[N, C]`; as scikit-learn's for indicator matrices. */

/** What one label has. */
export interface LabelCounts {
  /** Rows that have the label and were given it. */
  readonly hits: number;
  /** Rows that were given the label. */
  readonly predicted: number;
  /** Rows that have the label. */
  readonly support: number;
}

/** The counts of each of `labels` labels. */
export function labelCounts(
  labels: number,
  predictions: ArrayLike<number>,
  references: ArrayLike<number>,
): LabelCounts[] {
  const counts = Array.from({ length: labels }, () => ({ hits: 0, predicted: 0, support: 0 }));
  for (let at = 0; at < references.length; at++) {
    const of = counts[at % labels];
    const [predicted, true_] = [predictions[at] === 1, references[at] === 1];
    if (of === undefined) continue;
    if (predicted) of.predicted++;
    if (true_) of.support++;
    if (predicted && true_) of.hits++;
  }
  return counts;
}

/** F1 of all decisions taken together, `f1_score(average="micro")`; what divides by zero is 0. */
export function microF1OfSets(counts: readonly LabelCounts[]): number {
  const total = { hits: 0, predicted: 0, support: 0 };
  for (const { hits, predicted, support } of counts) {
    total.hits += hits;
    total.predicted += predicted;
    total.support += support;
  }
  return f1(total);
}

/** Mean F1 of the labels, `f1_score(average="macro")`; a label that occurs nowhere has 0. */
export function macroF1OfSets(counts: readonly LabelCounts[]): number | null {
  if (counts.length === 0) return null;
  return counts.reduce((sum, label) => sum + f1(label), 0) / counts.length;
}

/** Share of the rows whose set is exactly right, `accuracy_score`; null without rows. */
export function subsetAccuracy(
  labels: number,
  predictions: ArrayLike<number>,
  references: ArrayLike<number>,
): number | null {
  const rows = references.length / labels;
  let right = 0;
  for (let row = 0; row < rows; row++) {
    let isRight = true;
    for (let at = row * labels; at < (row + 1) * labels; at++) isRight &&= predictions[at] === references[at];
    if (isRight) right++;
  }
  return rows === 0 ? null : right / rows;
}

function f1({ hits, predicted, support }: LabelCounts): number {
  return predicted + support === 0 ? 0 : (2 * hits) / (predicted + support);
}
