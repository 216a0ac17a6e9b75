/** Trains the cells of an experiment, and says how it goes. */
import { availableParallelism } from "node:os";
import type { Cell } from "../experiment/cells.js";
import type { ExperimentFolder, Outcome } from "../experiment/folder.js";
import { type ExperimentEvent, type RunOptions, runCells } from "../experiment/run-experiment.js";
import { createProgress } from "../report/progress.js";
import { formatSeconds } from "../report/words.js";

/** A log of hours wants no line every few seconds. */
const SECONDS_BETWEEN_LINES = 60;

/** @param name - Of the experiment. `threads` of `options` are those of a job; by default all cores, shared by the jobs. */
export async function trainCells(
  name: string,
  cells: readonly Cell[],
  folder: ExperimentFolder,
  options: Omit<RunOptions, "onEvent"> & { readonly jobs: number },
): Promise<Outcome> {
  const { jobs } = options;
  const { threads = Math.max(1, Math.floor(availableParallelism() / jobs)) } = options;
  const progress = createProgress({ title: name, secondsBetweenLines: SECONDS_BETWEEN_LINES });
  const total = new Set(cells.map(({ hash }) => hash)).size;
  const started = performance.now();
  let [done, trained] = [0, 0];
  const onEvent = (event: ExperimentEvent) => {
    const { group, row, column, seed } = event.cell;
    const cell = `${group}, ${row}, ${column}, seed ${seed}`;
    if (event.type === "warning") progress.log(`${cell}: warning: ${event.message}`);
    if (event.type !== "done" && event.type !== "failed") {
      progress.stage(`cells (${cell})`, done, total);
      return;
    }
    done++;
    if (event.type === "failed" || !event.isReused) {
      trained++;
      const left = ((performance.now() - started) / 1000 / trained) * (total - done);
      const time = done < total ? `, about ${formatSeconds(left)} left` : "";
      progress.log(`[${done}/${total}] ${cell}: ${outcomeOf(event)}${time}`);
    }
    progress.stage("cells", done, total);
  };
  try {
    progress.stage("cells", 0, total);
    return await runCells(cells, folder, { ...options, threads, onEvent });
  } finally {
    progress.stop();
  }
}

function outcomeOf(event: Extract<ExperimentEvent, { type: "done" | "failed" }>): string {
  if (event.type === "failed") return `failed: ${event.failure.code}: ${event.failure.message}`;
  const { score, summary } = event.result;
  return `${score === null ? "undefined" : (100 * score).toFixed(2)} (${formatSeconds(summary.seconds)})`;
}
