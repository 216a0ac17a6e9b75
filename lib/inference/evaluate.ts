/** Loss and metrics of a model on a data set. The loss is computed here from the logits, in double precision. */
import type { Metrics, Task } from "../datasets/types.js";
import { giveWay } from "../give-way.js";
import { computeMetrics } from "../metrics/index.js";
import type { ModelConfig } from "../models/config.js";
import type { NativeTrainer } from "../native/binding.js";
import type { EncodedDataset } from "./encoded-dataset.js";
import { computeLogits } from "./logits.js";

/** What the outputs mean and which metrics to compute. */
export type EvaluationTask = Pick<ModelConfig, "kind" | "labels" | "metrics"> & Pick<Task, "f1Average">;

/** Loss, metrics and predictions of a model on a data set. */
export interface EvaluationResult {
  /** Mean cross-entropy; mean squared error for regression. */
  readonly loss: number;
  /** Fractions; null where a metric is undefined. */
  readonly metrics: Metrics;
  /** Class names in the order of the model's outputs; empty for regression. */
  readonly labels: readonly string[];
  /** Class index, or score, of each example in order. */
  readonly predictions: Int32Array | Float64Array;
  /** True class index, or score, of each example in order. */
  readonly references: Int32Array | Float32Array;
}

/** Rows handled before other work gets a turn. */
const ROWS_A_TURN = 5_000;

/**
 * Evaluates without dropout.
 *
 * @throws RATError `ERR_RAT_ABORTED`.
 */
export async function evaluateDataset(
  model: NativeTrainer,
  data: EncodedDataset,
  task: EvaluationTask,
  signal: AbortSignal,
): Promise<EvaluationResult> {
  const isRegression = task.kind === "regression";
  const outputs = isRegression ? 1 : task.labels.length;
  const logits = await computeLogits(model, data.texts, outputs, signal);
  const predictions = isRegression ? logits : new Int32Array(data.size);
  let loss = 0;
  for (let row = 0; row < data.size; row++) {
    if (row % ROWS_A_TURN === ROWS_A_TURN - 1) {
      await giveWay(signal);
    }
    const reference = data.labels[row] ?? 0;
    if (isRegression) {
      loss += ((logits[row] ?? 0) - reference) ** 2;
    } else {
      const values = logits.subarray(row * outputs, (row + 1) * outputs);
      loss += logSumExp(values) - (values[reference] ?? 0);
      predictions[row] = argMax(values);
    }
  }
  const metrics = computeMetrics(task.metrics, {
    kind: task.kind,
    labels: outputs,
    predictions,
    references: data.labels,
    f1Average: task.f1Average ?? "macro",
  });
  return { loss: loss / data.size, metrics, labels: task.labels, predictions, references: data.labels };
}

/** log Σ exp(x), without overflow. */
export function logSumExp(values: Float64Array): number {
  const largest = values[argMax(values)] ?? 0;
  let sum = 0;
  for (const value of values) sum += Math.exp(value - largest);
  return largest + Math.log(sum);
}

/** Index of the largest value; of equals the first. */
export function argMax(values: Float64Array): number {
  let best = 0;
  for (let index = 1; index < values.length; index++) {
    if ((values[index] ?? 0) > (values[best] ?? 0)) best = index;
  }
  return best;
}
