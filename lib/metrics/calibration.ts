/** How far a classifier's probabilities can be believed. */
import { invalidArgument } from "../errors.js";

/** Predictions of like confidence. */
export interface CalibrationBin {
  /** Confidence from `from` (exclusive, but for the first) to `to`. */
  readonly from: number;
  readonly to: number;
  readonly count: number;
  /** Means over the bin; null of an empty one. */
  readonly confidence: number | null;
  readonly accuracy: number | null;
}

export interface Calibration {
  readonly bins: readonly CalibrationBin[];
  /**
   * Expected calibration error (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, equation 3): mean distance
   * of confidence and accuracy over the bins, by their sizes. Null without predictions.
   */
  readonly expectedError: number | null;
}

/** A prediction that is wrong. */
export interface Mistake {
  readonly row: number;
  readonly predicted: number;
  readonly reference: number;
  /** Probability of what was predicted. */
  readonly confidence: number;
}

/**
 * @param probabilities `[N, C]`, row-major.
 * @param references `[N]` class indices.
 * @throws RATError `ERR_RAT_INVALID_ARG` where the sizes do not fit.
 */
export function calibrationOf(
  probabilities: ArrayLike<number>,
  references: ArrayLike<number>,
  binCount = 15,
): Calibration {
  const answers = answersOf(probabilities, references);
  const bins = Array.from({ length: binCount }, (_, b): CalibrationBin => {
    const [from, to] = [b / binCount, (b + 1) / binCount];
    const own = answers.filter(({ confidence }) => (confidence > from || b === 0) && confidence <= to);
    const mean = (of: (answer: Answer) => number) =>
      own.length === 0 ? null : own.reduce((sum, answer) => sum + of(answer), 0) / own.length;
    return {
      ...{ from, to, count: own.length, confidence: mean(({ confidence }) => confidence) },
      accuracy: mean(({ predicted, reference }) => Number(predicted === reference)),
    };
  });
  const distances = bins.map(({ count, confidence, accuracy }) =>
    confidence === null || accuracy === null ? 0 : (count / answers.length) * Math.abs(accuracy - confidence),
  );
  return { bins, expectedError: answers.length === 0 ? null : distances.reduce((sum, d) => sum + d, 0) };
}

/** Those that the model was surest of, the surest first. Arguments as of {@link calibrationOf}. */
export function confidentMistakes(
  probabilities: ArrayLike<number>,
  references: ArrayLike<number>,
  count = 20,
): Mistake[] {
  return answersOf(probabilities, references)
    .filter(({ predicted, reference }) => predicted !== reference)
    .sort((a, b) => b.confidence - a.confidence || a.row - b.row)
    .slice(0, count);
}

type Answer = Mistake;

function answersOf(probabilities: ArrayLike<number>, references: ArrayLike<number>): Answer[] {
  const rows = references.length;
  const classes = rows === 0 ? 0 : probabilities.length / rows;
  if (!Number.isInteger(classes)) {
    invalidArgument("probabilities", `as many numbers for each of ${rows} rows`, probabilities.length);
  }
  return Array.from({ length: rows }, (_, row): Answer => {
    let predicted = 0;
    const at = (c: number) => probabilities[row * classes + c] ?? 0;
    for (let c = 1; c < classes; c++) if (at(c) > at(predicted)) predicted = c;
    return { row, predicted, reference: references[row] ?? -1, confidence: at(predicted) };
  });
}
