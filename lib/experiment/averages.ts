/** The two averages over GLUE that the paper gives, as columns beside the nine tasks'. */
import { GLUE_NAMES, type GlueResult, glueAverages } from "../metrics/glue-averages.js";
import type { Metrics } from "../metrics/types.js";
import type { CellResult } from "./folder.js";

/** Of one seed. */
export interface SeedAverages {
  readonly seed: number;
  /** Fractions; null where a task has no result, or a metric is undefined. */
  readonly numbers: number | null;
  readonly tasks: number | null;
}

/** Column names, in the order of the averages. */
export const AVERAGE_COLUMNS = ["mean of 13 numbers", "mean of 9 tasks"] as const;

/** Whether the columns are the nine tasks. */
export function isGlue(columns: readonly string[]): boolean {
  return GLUE_NAMES.every((task) => columns.includes(task));
}

/** @param results - Of one model and method, by column and seed. */
export function averagesOf(
  seeds: readonly number[],
  results: (column: string, seed: number) => CellResult | undefined,
): SeedAverages[] {
  return seeds.map((seed) => {
    const metrics: Partial<Record<GlueResult, Metrics>> = {};
    for (const task of GLUE_NAMES) {
      const result = results(task, seed);
      if (result) metrics[task] = result.metrics;
      if (task === "mnli" && result?.summary.devMismatched) metrics["mnli-mm"] = result.summary.devMismatched;
    }
    const averages = glueAverages(metrics);
    return { seed, numbers: averages?.allNumbers ?? null, tasks: averages?.taskMeans ?? null };
  });
}
