/** Options that fit some tasks only, and are refused before anything is read. */
import { optionRecord } from "../config/options.js";
import type { TrainerSettings } from "../config/schema.js";
import type { Dataset, Task } from "../datasets/types.js";
import { configError } from "../errors.js";
import type { MetricName } from "../metrics/types.js";
import { checkClassWeights } from "../run/class-weights.js";
import { TARGET_OPTIONS, type TargetOption } from "../targets/definition.js";
import { targetOf } from "../targets/index.js";

/** @throws RATError `ERR_RAT_CONFIG` for an option that means nothing to this kind of task. */
export function checkTargetOptions(
  options: Pick<TrainerSettings, TargetOption>,
  { kind, labels }: Task<Dataset>,
): void {
  const { options: known } = targetOf(kind);
  for (const name of TARGET_OPTIONS) {
    const value = options[name];
    if (value === undefined || value === optionRecord(name).default || known.includes(name)) continue;
    throw configError(name, `${name} means nothing to this task, a ${kind}; leave it out`);
  }
  checkClassWeights(options.classWeights, labels);
}

/**
 * Whether `metric` can choose the best model of a task.
 *
 * @throws RATError `ERR_RAT_CONFIG` when it is for another kind of task.
 */
export function checkMetric(metric: MetricName | "loss" | undefined, { kind }: Task<Dataset>): void {
  const { metrics } = targetOf(kind);
  if (metric === undefined || metric === "loss" || metrics.includes(metric)) return;
  throw configError(
    "metric",
    `Expected one of ${[...metrics, "loss"].join(", ")} for metric (${kind}) but received ${metric}`,
  );
}
