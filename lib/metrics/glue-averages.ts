/** The two averages over GLUE that the R-AT paper gives, which are not the same. */
import type { Metrics } from "./types.js";

/** Metrics that count, by task, in the order of the paper's Table 1; MNLI's two test sets count as two numbers. */
const COUNTED = {
  cola: ["matthews"],
  sst2: ["accuracy"],
  mrpc: ["accuracy", "f1"],
  stsb: ["pearson", "spearman"],
  qqp: ["accuracy", "f1"],
  mnli: ["accuracy"],
  "mnli-mm": ["accuracy"],
  qnli: ["accuracy"],
  rte: ["accuracy"],
  wnli: ["accuracy"],
} as const satisfies Record<string, readonly (keyof Metrics)[]>;

/** `mnli-mm`: MNLI on the mismatched genres. */
export type GlueResult = keyof typeof COUNTED;

/** The nine tasks. */
export const GLUE_NAMES = (Object.keys(COUNTED) as GlueResult[]).filter((name) => name !== "mnli-mm");

/** Fractions. */
export interface GlueAverages {
  /** Mean of all 13 numbers (Table 1): a task with two counts twice. */
  readonly allNumbers: number;
  /** Mean of the nine tasks' means (Table 2, and the GLUE leaderboard): every task counts once. */
  readonly taskMeans: number;
}

/**
 * Averages over the nine tasks; null where a number is missing or undefined, since an average over fewer is another one.
 *
 * @param results - Metrics as `evaluate` and the summary of a run give them.
 */
export function glueAverages(results: Readonly<Partial<Record<GlueResult, Metrics>>>): GlueAverages | null {
  const numbers = new Map<string, number[]>();
  for (const [name, metrics] of Object.entries(COUNTED)) {
    const task = name.replace(/-mm$/, "");
    for (const metric of metrics) {
      const value = results[name as GlueResult]?.[metric];
      if (value === undefined || value === null) return null;
      numbers.set(task, [...(numbers.get(task) ?? []), value]);
    }
  }
  return { allNumbers: mean([...numbers.values()].flat()), taskMeans: mean([...numbers.values()].map(mean)) };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
