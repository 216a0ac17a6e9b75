/** Checks the task that a caller hands over. */
import type { Dataset, MetricName, Task, TaskKind } from "../datasets/types.js";
import { configError, invalidArgument } from "../errors.js";

const METRICS: Readonly<Record<TaskKind, readonly MetricName[]>> = {
  classification: ["accuracy", "f1", "matthews"],
  regression: ["pearson", "spearman"],
};

/**
 * Returns `task` if it can be trained on.
 *
 * @throws RATError `ERR_RAT_INVALID_ARG` naming the field that is wrong.
 */
export function checkTask(task: Task<Dataset>): Task<Dataset> {
  if (typeof task !== "object" || task === null)
    invalidArgument("task", "a task, as loadTask gives it", task);
  if (typeof task.name !== "string") invalidArgument("task.name", "a string", task.name);
  if (task.kind !== "classification" && task.kind !== "regression") {
    invalidArgument("task.kind", "classification or regression", task.kind);
  }
  const { labels, metrics, kind } = task;
  if (!Array.isArray(labels) || labels.some((label) => typeof label !== "string")) {
    invalidArgument("task.labels", "an array of class names", labels);
  }
  if (kind === "classification" && labels.length < 2) {
    invalidArgument("task.labels", "at least two class names", labels.length);
  }
  if (new Set(labels).size !== labels.length)
    invalidArgument("task.labels", "different class names", labels.join());
  if (!Array.isArray(metrics)) invalidArgument("task.metrics", "an array of metric names", metrics);
  const { f1Average } = task;
  if (f1Average !== undefined && f1Average !== "binary" && f1Average !== "macro")
    invalidArgument("task.f1Average", "binary or macro", f1Average);
  if (f1Average === "binary" && labels.length !== 2)
    invalidArgument("task.f1Average", "macro: binary is for two classes", f1Average);
  const stranger = metrics.find((name) => !METRICS[kind].includes(name));
  if (stranger !== undefined) {
    invalidArgument("task.metrics", `names out of ${METRICS[kind].join(", ")} (${kind})`, stranger);
  }
  return task;
}

/**
 * Whether `metric` can choose the best model of a task.
 *
 * @throws RATError `ERR_RAT_CONFIG` when it is for another kind of task.
 */
export function checkMetric(metric: MetricName | "loss" | undefined, { kind }: Task<Dataset>): void {
  if (metric === undefined || metric === "loss" || METRICS[kind].includes(metric)) return;
  throw configError(
    "metric",
    `Expected one of ${[...METRICS[kind], "loss"].join(", ")} for metric (${kind}) but received ${metric}`,
  );
}
