/** The scores of each class and the confusion matrix, for `--report`. */
import type { EvaluationResult } from "../inference/evaluate.js";
import {
  type ClassificationReport,
  classificationReport,
  confusionMatrix,
  renderClassificationReport,
  renderConfusionMatrix,
} from "../metrics/index.js";
import { type TaskKind, targetOf } from "../targets/index.js";

/** What `--report` adds to an evaluation. */
export interface ClassReport {
  readonly report: ClassificationReport;
  /** Rows of each true class (outer) by predicted class (inner), in the order of the labels. */
  readonly confusionMatrix: readonly (readonly number[])[];
}

/**
 * The report on an evaluation; null where an example has not one class.
 */
export function reportClasses(
  kind: TaskKind,
  { labels, predictions, references }: EvaluationResult,
): ClassReport | null {
  if (targetOf(kind).label !== "class") return null;
  return {
    report: classificationReport({ labels, predictions, references }),
    confusionMatrix: confusionMatrix({ labels: labels.length, predictions, references }),
  };
}

/** Both tables, for people. */
export function renderClassReport(report: ClassReport | null, labels: readonly string[]): string {
  if (report === null) return "No report by class: the examples of this task have not one class each.";
  const scores = renderClassificationReport(report.report);
  return `${scores}\n${renderConfusionMatrix(report.confusionMatrix, labels)}`.trimEnd();
}
