/** Loss and metrics of a model on a data set. The loss is computed here from the logits, in double precision. */
import type { Task } from "../datasets/types.js";
import { giveWay } from "../give-way.js";
import { type ClassificationReport, confusionMatrix } from "../metrics/index.js";
import type { Metrics } from "../metrics/types.js";
import { DEFAULT_THRESHOLD, type ModelConfig } from "../models/config.js";
import type { NativeTrainer } from "../native/binding.js";
import { computeMetrics } from "../targets/compute-metrics.js";
import { type LabelArray, type PredictionArray, targetOf } from "../targets/index.js";
import type { EncodedDataset } from "./encoded-dataset.js";
import { computeLogits } from "./logits.js";

/** What the outputs mean and which metrics to compute. */
export type EvaluationTask = Pick<ModelConfig, "kind" | "labels" | "metrics" | "threshold"> &
  Pick<Task, "f1Average">;

/** Loss, metrics and predictions of a model on a data set. */
export interface EvaluationResult {
  /** Mean cross-entropy; mean squared error for regression; mean binary cross-entropy of all labels of multi-label tasks. */
  readonly loss: number;
  /** Fractions; null where a metric is undefined. */
  readonly metrics: Metrics;
  /** Class names in the order of the model's outputs; empty for regression. */
  readonly labels: readonly string[];
  /** Of each example in order: class index, score, or a 1 or 0 for each label. */
  readonly predictions: PredictionArray;
  /** What is right, likewise. */
  readonly references: LabelArray;
  /** Probability of each label, `[N, C]` row-major; null for regression. */
  readonly probabilities: Float64Array | null;
  /** Precision, recall and F1 by class; null for regression. */
  readonly report: ClassificationReport | null;
  /** Examples of each true class (outer) by predicted class (inner); null where an example has not one class. */
  readonly confusionMatrix: readonly (readonly number[])[] | null;
}

/** Rows handled before other work gets a turn. */
const ROWS_A_TURN = 5_000;

/**
 * Evaluates without dropout.
 *
 * @param onExamples - Told how many are done.
 * @throws RATError `ERR_RAT_ABORTED`.
 */
export async function evaluateDataset(
  model: NativeTrainer,
  data: EncodedDataset,
  task: EvaluationTask,
  signal: AbortSignal,
  onExamples?: (done: number) => void,
): Promise<EvaluationResult> {
  const target = targetOf(task.kind);
  const { threshold = DEFAULT_THRESHOLD } = task;
  const outputs = target.outputs(task.labels);
  const logits = await computeLogits(model, data.texts, outputs, signal, onExamples);
  const width = target.width(task.labels);
  const predictions = target.newPredictions(data.size * width);
  const probabilities = target.probabilities && new Float64Array(data.size * outputs);
  let loss = 0;
  for (let row = 0; row < data.size; row++) {
    if (row % ROWS_A_TURN === ROWS_A_TURN - 1) {
      await giveWay(signal);
    }
    const values = logits.subarray(row * outputs, (row + 1) * outputs);
    loss += target.loss(values, data.labels.subarray(row * width, (row + 1) * width));
    target.decide(values, predictions.subarray(row * width, (row + 1) * width), threshold);
    if (probabilities)
      target.probabilities?.(values, probabilities.subarray(row * outputs, (row + 1) * outputs));
  }
  const metrics = computeMetrics(task.metrics, {
    kind: task.kind,
    labels: task.labels.length,
    predictions,
    references: data.labels,
    f1Average: task.f1Average ?? "macro",
  });
  const answers = { predictions, references: data.labels };
  return {
    ...{ loss: loss / data.size, metrics, labels: task.labels, ...answers, probabilities },
    report: target.report({ labels: task.labels, ...answers }),
    confusionMatrix:
      target.label === "class" ? confusionMatrix({ labels: task.labels.length, ...answers }) : null,
  };
}
