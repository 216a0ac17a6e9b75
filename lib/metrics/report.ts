/** Scores class by class. */
import { invalidArgument } from "../errors.js";
import { accuracy } from "./accuracy.js";
import { type ClassCounts, checkSameLength, classCounts, confusionMatrix, sum } from "./confusion.js";
import { type ClassScores, classScores, presentClasses } from "./f1.js";
import { labelCounts, subsetAccuracy } from "./label-sets.js";

/** What a report is made from. */
export interface ReportInput {
  /** Class names in index order. */
  readonly labels: readonly string[];
  /** Class indices `[N]`, or label sets `[N, C]`. */
  readonly predictions: ArrayLike<number>;
  /** Likewise. */
  readonly references: ArrayLike<number>;
}

/** Scores of one class. */
export interface LabelledScores extends ClassScores {
  readonly label: string;
}

/** Scores of every class and their means; fractions from 0 to 1. */
export interface ClassificationReport {
  /** In index order; a class that occurs nowhere has zeros. */
  readonly classes: readonly LabelledScores[];
  /** Null without rows; of label sets the share of those that are exactly right. */
  readonly accuracy: number | null;
  /** Of label sets: of all decisions taken together. */
  readonly micro?: ClassScores;
  /** Plain means over the classes that occur in references or predictions. */
  readonly macro: ClassScores;
  /** Means weighted by support. */
  readonly weighted: ClassScores;
  /** Classes that occur and were never predicted. */
  readonly neverPredicted: readonly string[];
}

/**
 * Precision, recall, F1 and support of every class, as `sklearn.metrics.classification_report`.
 *
 * @throws RATError `ERR_RAT_INVALID_ARG` for lists of different lengths or an index that is no class.
 */
export function classificationReport({ labels, predictions, references }: ReportInput): ClassificationReport {
  if (!Array.isArray(labels) || labels.length === 0) {
    invalidArgument("labels", "a list of class names", labels);
  }
  const matrix = confusionMatrix({ labels: labels.length, predictions, references });
  const present = presentClasses(matrix).map(classScores);
  return {
    ...ofClasses(labels, classCounts(matrix)),
    accuracy: accuracy(matrix),
    macro: average(present, () => 1),
    weighted: average(present, ({ support }) => support),
  };
}

/**
 * The same of label sets, `[N, C]` row-major, 1 or 0 for each label; as `classification_report` of indicator matrices, whose
 * means are over all labels.
 *
 * @throws RATError `ERR_RAT_INVALID_ARG` for lists of different lengths.
 */
export function labelSetReport({ labels, predictions, references }: ReportInput): ClassificationReport {
  checkSameLength(predictions, references);
  const counts = labelCounts(labels.length, predictions, references);
  const scores = counts.map(classScores);
  const total = (of: (counts: ClassCounts) => number) => sum(counts.map(of));
  return {
    ...ofClasses(labels, counts),
    accuracy: subsetAccuracy(labels.length, predictions, references),
    micro: classScores({
      hits: total(({ hits }) => hits),
      predicted: total(({ predicted }) => predicted),
      support: total(({ support }) => support),
    }),
    macro: average(scores, () => 1),
    weighted: average(scores, ({ support }) => support),
  };
}

function ofClasses(labels: readonly string[], counts: readonly ClassCounts[]) {
  const isMissed = ({ support, predicted }: ClassCounts) => support > 0 && predicted === 0;
  return {
    classes: counts.map((each, index) => ({ label: labels[index] ?? "", ...classScores(each) })),
    neverPredicted: counts.flatMap((each, index) => (isMissed(each) ? [labels[index] ?? ""] : [])),
  };
}

function average(scores: readonly ClassScores[], weight: (score: ClassScores) => number): ClassScores {
  const total = sum(scores.map(weight));
  const mean = (of: (score: ClassScores) => number) =>
    total === 0 ? 0 : scores.reduce((all, score) => all + of(score) * weight(score), 0) / total;
  return {
    precision: mean(({ precision }) => precision),
    recall: mean(({ recall }) => recall),
    f1: mean(({ f1 }) => f1),
    support: sum(scores.map(({ support }) => support)),
  };
}
