/** The scores of each class and the confusion matrix, for `--report`. */

import type { EvaluationResult } from "../inference/evaluate.js";
import {
  type ClassificationReport,
  classificationReport,
  confusionMatrix,
  renderClassificationReport,
  renderConfusionMatrix,
} from "../metrics/index.js";

/** What `--report` adds to an evaluation. */
export interface ClassReport {
  readonly report: ClassificationReport;
  /** Rows of each true class (outer) by predicted class (inner), in the order of the labels. */
  readonly confusionMatrix: readonly (readonly number[])[];
}

/**
 * The report on an evaluation; null for regression, which has no classes.
 *
 * @param labels The model's class names in its order; empty for regression.
 */
export function reportClasses(
  labels: readonly string[],
  { predictions, references }: Pick<EvaluationResult, "predictions" | "references">,
): ClassReport | null {
  if (labels.length === 0) return null;
  return {
    report: classificationReport({ labels, predictions, references }),
    confusionMatrix: confusionMatrix({ labels: labels.length, predictions, references }),
  };
}

/** Both tables, for people. */
export function renderClassReport(report: ClassReport | null, labels: readonly string[]): string {
  if (report === null) return "No report by class: this is a regression.";
  const scores = renderClassificationReport(report.report);
  return `${scores}\n${renderConfusionMatrix(report.confusionMatrix, labels)}`.trimEnd();
}
