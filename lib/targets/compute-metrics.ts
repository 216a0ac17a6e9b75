/** Metrics by name, as tasks list them. */
import { invalidArgument, RATError } from "../errors.js";
import type { MetricName, Metrics } from "../metrics/types.js";
import type { MeasureInput } from "./definition.js";
import { type TaskKind, targetOf } from "./index.js";

/** What metrics are computed from. */
export interface MetricsInput extends MeasureInput {
  readonly kind: TaskKind;
}

/**
 * Computes the named metrics: fractions as scikit-learn and SciPy give them, null where one is undefined (no rows; a
 * correlation with a constant).
 *
 * @throws RATError `ERR_RAT_INVALID_ARG` for a name that is unknown or not for this kind of target, for lists of different
 * lengths, for an index that is no class, or for `binary` with other than two classes.
 */
export function computeMetrics(names: readonly MetricName[], input: MetricsInput): Metrics {
  if (!Array.isArray(names)) invalidArgument("names", "a list of metric names", names);
  const target = targetOf(input.kind);
  const metrics = target.measure(input);
  return Object.fromEntries(
    names.map((name) => {
      const metric = Object.hasOwn(metrics, name) ? metrics[name as MetricName] : undefined;
      if (metric !== undefined) return [name, metric()];
      throw new RATError(
        "ERR_RAT_INVALID_ARG",
        `There is no metric ${JSON.stringify(name)} for ${target.kind}; use ${target.metrics.join(", ")}`,
      );
    }),
  );
}
