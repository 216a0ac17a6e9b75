/** The harmonic mean of precision and recall; what divides by zero is 0, as scikit-learn's `zero_division=0`. */
import { type ClassCounts, classCounts, sum } from "./confusion.js";

/** Precision, recall and F1 of a class or an average, 0 to 1. */
export interface ClassScores {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  /** Rows of the class. */
  readonly support: number;
}

/** The scores of one class. */
export function classScores({ hits, predicted, support }: ClassCounts): ClassScores {
  return {
    precision: ratio(hits, predicted),
    recall: ratio(hits, support),
    f1: ratio(2 * hits, predicted + support),
    support,
  };
}

/** F1 of class 1 of two, as `f1_score(average="binary")`; null without rows. */
export function binaryF1(matrix: readonly (readonly number[])[]): number | null {
  const positive = classCounts(matrix)[1];
  return positive === undefined || isEmpty(matrix) ? null : classScores(positive).f1;
}

/**
 * Mean F1 of the classes that occur in references or predictions, as `f1_score(average="macro")`; null without rows.
 */
export function macroF1(matrix: readonly (readonly number[])[]): number | null {
  const present = presentClasses(matrix);
  return present.length === 0 ? null : sum(present.map((counts) => classScores(counts).f1)) / present.length;
}

/** The counts of the classes that occur in references or predictions. */
export function presentClasses(matrix: readonly (readonly number[])[]): ClassCounts[] {
  return classCounts(matrix).filter(({ predicted, support }) => predicted + support > 0);
}

function isEmpty(matrix: readonly (readonly number[])[]): boolean {
  return presentClasses(matrix).length === 0;
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}
