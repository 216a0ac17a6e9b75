/** A smaller version of an experiment. */
import { resolveRunConfig } from "../config/resolve.js";
import type { TaskCache } from "./estimate.js";
import type { ExperimentPlan, PlannedRun } from "./plan.js";

/**
 * The same on the first rows of each training set.
 *
 * @param scale - What part of them: above 0, at most 1.
 * @throws RATError `ERR_RAT_CONFIG`; what `loadTask` throws.
 */
export async function scaled(plan: ExperimentPlan, scale: number, tasks: TaskCache): Promise<ExperimentPlan> {
  const runs: PlannedRun[] = [];
  for (const run of plan.runs) {
    const { train } = await tasks.load(resolveRunConfig(run.config));
    const limitTrain = Math.max(1, Math.ceil(scale * train.length));
    runs.push({ ...run, config: { ...run.config, limitTrain } });
  }
  return {
    ...plan,
    runs,
    notes: [...plan.notes, `Training sets are cut to ${scale} of their rows (--scale).`],
  };
}
