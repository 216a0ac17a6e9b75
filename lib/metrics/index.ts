/** Metrics by name, as tasks list them. */
import type { MetricName, Metrics, TaskKind } from "../datasets/types.js";
import { invalidArgument, RATError } from "../errors.js";
import { accuracy } from "./accuracy.js";
import { checkSameLength, confusionMatrix } from "./confusion.js";
import { pearson, spearman } from "./correlation.js";
import { binaryF1, macroF1 } from "./f1.js";
import { matthews } from "./matthews.js";

export { type ClassPredictions, confusionMatrix } from "./confusion.js";
export type { ClassScores } from "./f1.js";
export {
  type ClassificationReport,
  classificationReport,
  type LabelledScores,
  type ReportInput,
  renderClassificationReport,
  renderConfusionMatrix,
} from "./report.js";

/** What metrics are computed from. */
export interface MetricsInput {
  readonly kind: TaskKind;
  /** Number of classes; not read for regression. */
  readonly labels: number;
  /** Class indices, or scores for regression, `[N]`. */
  readonly predictions: ArrayLike<number>;
  /** `[N]` */
  readonly references: ArrayLike<number>;
  /** `binary`: F1 of class 1 of two (MRPC, QQP). `macro`: mean over the classes that occur. */
  readonly f1Average: "binary" | "macro";
}

type Matrix = readonly (readonly number[])[];

const CLASSIFICATION = {
  accuracy,
  f1: (matrix: Matrix, average: MetricsInput["f1Average"]) =>
    average === "binary" ? binaryF1(matrix) : macroF1(matrix),
  matthews,
} as const satisfies Partial<Record<MetricName, unknown>>;

const REGRESSION = { pearson, spearman } as const satisfies Partial<Record<MetricName, unknown>>;

/**
 * Computes the named metrics: fractions as scikit-learn and SciPy give them, null where one is undefined (no rows; a
 * correlation with a constant).
 *
 * @throws RATError `ERR_RAT_INVALID_ARG` for a name that is unknown or not for this kind of task, for lists of different
 * lengths, for an index that is no class, or for `binary` with other than two classes.
 */
export function computeMetrics(names: readonly MetricName[], input: MetricsInput): Metrics {
  if (!Array.isArray(names)) invalidArgument("names", "a list of metric names", names);
  return input.kind === "regression" ? regressionMetrics(names, input) : classMetrics(names, input);
}

function classMetrics(names: readonly MetricName[], input: MetricsInput): Metrics {
  const { kind, f1Average, labels } = input;
  if (kind !== "classification") invalidArgument("kind", "classification or regression", kind);
  if (f1Average !== "binary" && f1Average !== "macro") {
    invalidArgument("f1Average", "binary or macro", f1Average);
  }
  if (f1Average === "binary" && labels !== 2) {
    invalidArgument("labels", "2 classes with f1Average binary", labels);
  }
  const matrix = confusionMatrix(input);
  return collect(names, "classification", CLASSIFICATION, (metric) => metric(matrix, f1Average));
}

function regressionMetrics(names: readonly MetricName[], input: MetricsInput): Metrics {
  checkSameLength(input.predictions, input.references);
  return collect(names, "regression", REGRESSION, (metric) => metric(input.predictions, input.references));
}

function collect<F>(
  names: readonly MetricName[],
  kind: TaskKind,
  metrics: Partial<Record<MetricName, F>>,
  compute: (metric: F) => number | null,
): Metrics {
  const values = names.map((name) => {
    const metric = Object.hasOwn(metrics, name) ? metrics[name] : undefined;
    if (metric === undefined) {
      throw new RATError(
        "ERR_RAT_INVALID_ARG",
        `There is no metric ${JSON.stringify(name)} for ${kind}; use ${Object.keys(metrics).join(", ")}`,
      );
    }
    return [name, compute(metric)] as const;
  });
  return Object.fromEntries(values);
}
