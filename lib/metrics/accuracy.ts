/** The share of rows that are right. */
import { classCounts, sum } from "./confusion.js";

/** Accuracy from a confusion matrix, 0 to 1; null without rows. */
export function accuracy(matrix: readonly (readonly number[])[]): number | null {
  const counts = classCounts(matrix);
  const rows = sum(counts.map(({ support }) => support));
  return rows === 0 ? null : sum(counts.map(({ hits }) => hits)) / rows;
}
