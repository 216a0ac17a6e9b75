/** Matthews correlation coefficient for any number of classes (Gorodkin, 2004, "R_K"), as scikit-learn computes it. */
import { classCounts, sum } from "./confusion.js";

/** The coefficient from a confusion matrix, -1 to 1; 0 if all rows have one class; null without rows. */
export function matthews(matrix: readonly (readonly number[])[]): number | null {
  const counts = classCounts(matrix);
  const rows = sum(counts.map(({ support }) => support));
  if (rows === 0) return null;
  const hits = sum(counts.map((count) => count.hits));
  const covariance = hits * rows - sum(counts.map(({ predicted, support }) => predicted * support));
  const ofPredictions = rows ** 2 - sum(counts.map(({ predicted }) => predicted ** 2));
  const ofReferences = rows ** 2 - sum(counts.map(({ support }) => support ** 2));
  // Either is 0 exactly when everything is one class; the counts are whole numbers, so nothing is rounded.
  if (ofPredictions === 0 || ofReferences === 0) return 0;
  return covariance / (Math.sqrt(ofPredictions) * Math.sqrt(ofReferences));
}
