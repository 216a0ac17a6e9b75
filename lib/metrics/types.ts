/** Names and values of metrics. */

/** In the order in which help and messages name them. */
export const METRIC_NAMES = [
  "accuracy",
  "f1",
  "microF1",
  "macroF1",
  "matthews",
  "pearson",
  "spearman",
] as const;
export type MetricName = (typeof METRIC_NAMES)[number];

/** Values of metrics: fractions, null where one is undefined. */
export type Metrics = Readonly<Partial<Record<MetricName, number | null>>>;

/** What a confusion matrix's F1 is of: class 1 of two (MRPC, QQP), or the mean over the classes that occur. */
export type F1Average = "binary" | "macro";
