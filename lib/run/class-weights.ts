/** What each class counts in the loss. */
import { configError } from "../errors.js";
import type { TrainerParts } from "./parts.js";

/**
 * Hands `classWeights` to the native side, in the order of the model's outputs.
 *
 * @param labels - Class indices of the training data, for `balanced`.
 * @throws RATError `ERR_RAT_CONFIG` when there are not as many weights as classes, or all are zero.
 */
export async function setClassWeights(
  { model, config, task, settings }: TrainerParts,
  labels: ArrayLike<number>,
): Promise<void> {
  const { classWeights } = settings;
  if (classWeights === undefined) return;
  const weights =
    classWeights === "balanced"
      ? balancedWeights(labels, config.labels.length)
      : config.labels.map((label) => classWeights[task.labels.indexOf(label)] ?? Number.NaN);
  await model.setClassWeights(Float64Array.from(weights));
}

/** Examples / (classes x examples of the class), as scikit-learn's `balanced`; 0 for a class without examples. */
export function balancedWeights(labels: ArrayLike<number>, classes: number): number[] {
  const counts = new Array<number>(classes).fill(0);
  for (let row = 0; row < labels.length; row++) {
    const label = labels[row] ?? 0;
    counts[label] = (counts[label] ?? 0) + 1;
  }
  return counts.map((count) => (count === 0 ? 0 : labels.length / (classes * count)));
}

/**
 * Checks the option as far as it can be before the data are read.
 *
 * @throws RATError `ERR_RAT_CONFIG`.
 */
export function checkClassWeights(
  classWeights: "balanced" | readonly number[] | undefined,
  labels: readonly string[],
): void {
  if (classWeights === undefined || classWeights === "balanced") return;
  if (classWeights.length !== labels.length) {
    throw configError(
      "classWeights",
      `Expected ${labels.length} numbers for classWeights (${labels.join(", ")}) but received ${classWeights.length}`,
    );
  }
  if (!classWeights.some((weight) => weight > 0))
    throw configError("classWeights", "All classWeights are zero");
}
