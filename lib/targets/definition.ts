/** What a model's outputs are for. Everything that differs between kinds of target stands in a target's own file. */
import type { ClassificationReport, ReportInput } from "../metrics/report.js";
import type { F1Average, MetricName } from "../metrics/types.js";

/** Numbers of labels, row-major `[examples, width]`: what crosses to the native side. */
export type LabelArray = Int32Array | Float32Array;

/** Numbers of predictions, row-major `[examples, width]`. */
export type PredictionArray = Int32Array | Float64Array;

/** The label of an example: a class, a score, or those labels of several that it has. */
export type Label = string | number | readonly string[];

/** What metrics are computed from. */
export interface MeasureInput {
  /** Number of class names; not read where there are none. */
  readonly labels: number;
  /** What was predicted, as {@link TargetDefinition.decide} writes it. */
  readonly predictions: ArrayLike<number>;
  /** What is right, in the same form. */
  readonly references: ArrayLike<number>;
  readonly f1Average: F1Average;
}

/** What a model says about a text. */
export interface ClassPrediction {
  /** The most probable class. */
  readonly label: string;
  /** Its probability. */
  readonly probability: number;
  /** The probability of every class; they add up to 1. */
  readonly probabilities: Readonly<Record<string, number>>;
  readonly score?: never;
  readonly labels?: never;
}

/** The score of a text, from a regression model. */
export interface ScorePrediction {
  readonly score: number;
  readonly label?: never;
  readonly probability?: never;
  readonly probabilities?: never;
  readonly labels?: never;
}

/** The labels of a text, from a multi-label model. */
export interface LabelSetPrediction {
  /** Those whose probability reaches the threshold, in the order of the model's outputs. */
  readonly labels: readonly string[];
  /** The probability of each label, independent of the others. */
  readonly probabilities: Readonly<Record<string, number>>;
  readonly label?: never;
  readonly probability?: never;
  readonly score?: never;
}

/** One result of `predict`; which of them it is depends on the model's `kind`. */
export type Prediction = ClassPrediction | ScorePrediction | LabelSetPrediction;

/** How a data file spells labels. */
export interface LabelSpelling {
  /** Between the labels of a set; none: one label, or a JSON array. */
  readonly separator?: string | undefined;
  /** The name of a class that is spelled so; throws if there is none. */
  nameOf(raw: string): string;
}

/** Options that mean nothing to some kinds of target. */
export const TARGET_OPTIONS = ["classWeights", "labelSmoothing", "temperature", "threshold"] as const;
export type TargetOption = (typeof TARGET_OPTIONS)[number];

/** A kind of target. `labels` are always the class names in the order of the model's outputs. */
export interface TargetDefinition {
  readonly kind: string;
  /** Its `problem_type` in `config.json`, as `transformers` calls it. */
  readonly problemType: string;
  /** Fewest class names that make sense; 0: it has none. */
  readonly fewestLabels: 0 | 1 | 2;
  /** The metrics that it has. */
  readonly metrics: readonly MetricName[];
  /** Those of a task that does not name any; the first one chooses the best model. */
  readonly usualMetrics: readonly MetricName[];
  /** Those options that not every kind of target has, and this one has. */
  readonly options: readonly TargetOption[];
  /** What the label of an example is. */
  readonly label: "class" | "score" | "set";
  /** Number of outputs of a model. */
  outputs(labels: readonly string[]): number;
  /** Numbers that an example's label, and what is predicted of it, consist of. */
  width(labels: readonly string[]): number;
  /** For messages. */
  describe(labels: readonly string[]): string;

  /** The label that a data file spells as `raw`, or undefined if it can be none. */
  parse(raw: string, spelling: LabelSpelling): Label | undefined;
  /** What {@link parse} takes, for messages. */
  readonly syntax: string;

  newLabels(length: number): LabelArray;
  /**
   * Writes an example's label to `to`, `[width]`. `indices` has the class names.
   *
   * @throws RATError `ERR_RAT_LABEL` for what is none of the task's.
   */
  write(label: unknown, indices: ReadonlyMap<string, number>, place: string, to: LabelArray): void;

  newPredictions(length: number): PredictionArray;
  /** Writes what one example's outputs say to `to`, `[width]`. */
  decide(outputs: Float64Array, to: PredictionArray, threshold: number): void;
  /** Loss of one example's outputs. */
  loss(outputs: Float64Array, label: LabelArray): number;
  /** Each of its metrics, computed when it is asked for. */
  measure(input: MeasureInput): Readonly<Partial<Record<MetricName, () => number | null>>>;
  /** Writes the probability of each label of one example to `to`, `[C]`; null where there are none. */
  readonly probabilities: ((outputs: Float64Array, to: Float64Array) => void) | null;
  /** Scores by class; null where an example has no class. */
  report(input: ReportInput): ClassificationReport | null;
  /** What one example's outputs say, for people. */
  predict(outputs: Float64Array, labels: readonly string[], threshold: number): Prediction;
}

/** Lets the compiler keep the names. */
export function define<const D extends TargetDefinition>(definition: D): D {
  return definition;
}
