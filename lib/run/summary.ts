/** The summary of a finished run. */

import type { Metrics } from "../metrics/types.js";
import type { RunTotals } from "./checkpoint.js";
import type { TrainSummary } from "./events.js";
import type { TrainerParts } from "./parts.js";
import type { Provenance } from "./provenance.js";

/** Puts the summary together. */
export function summarize(run: {
  readonly parts: TrainerParts;
  readonly totals: RunTotals;
  readonly steps: number;
  readonly bestStep: number;
  readonly dev: Metrics | null;
  /** Undefined for a task without it. */
  readonly devMismatched: Metrics | null | undefined;
  readonly test: Metrics | null;
  readonly peakMemoryBytes: number;
  readonly output: string | null;
  readonly provenance: Provenance;
}): TrainSummary {
  const { parts, totals, steps, bestStep, dev, devMismatched, test, output } = run;
  return {
    task: parts.task.name,
    model: parts.modelName,
    regularizer: parts.regularizer.type,
    seed: parts.settings.seed,
    device: parts.settings.device,
    precision: parts.settings.precision,
    ...{ steps, bestStep, dev, ...(devMismatched !== undefined && { devMismatched }), test },
    seconds: totals.seconds,
    examplesPerSecond: rate(totals.examples, totals.trainingSeconds),
    tokensPerSecond: rate(totals.tokens, totals.trainingSeconds),
    peakMemoryBytes: run.peakMemoryBytes,
    output,
    provenance: run.provenance,
  };
}

/** Peak memory of the GPU, or of this process on the CPU. */
export async function peakMemoryBytes({ settings, model }: TrainerParts): Promise<number> {
  return settings.device === "cpu" ? process.resourceUsage().maxRSS * 1024 : model.peakDeviceMemoryBytes();
}

function rate(count: number, seconds: number): number {
  return seconds > 0 ? count / seconds : 0;
}
