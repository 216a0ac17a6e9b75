/** What cells will take: in units that hold on every machine, and in seconds on this one. */
import { passesOf } from "../config/regularizer.js";
import type { ResolvedRunConfig } from "../config/resolve.js";
import { loadTask } from "../datasets/load-task.js";
import type { LoadedTask } from "../datasets/types.js";
import { estimateRun } from "../pipeline/estimate.js";
import { fitOptions, taskOptions } from "../pipeline/options.js";
import { Plan } from "../run/plan.js";
import type { Cell } from "./cells.js";
import type { CellResult } from "./folder.js";

export interface CellEstimate {
  /** Examples that go forward and back through the model: steps x batch size x passes. */
  readonly cost: number;
  readonly seconds: number | null;
}

/** Seconds of steps that are tried where nothing is known yet. */
const TRIED_SECONDS = 3;

/** The tasks of some runs, each read once. */
export class TaskCache {
  readonly #tasks = new Map<string, Promise<LoadedTask>>();
  readonly #signal: AbortSignal | undefined;

  constructor(signal?: AbortSignal) {
    this.#signal = signal;
  }

  load(config: ResolvedRunConfig): Promise<LoadedTask> {
    const options = taskOptions(config);
    const key = JSON.stringify([config.task, options]);
    const task = this.#tasks.get(key) ?? loadTask(config.task, { ...options, signal: this.#signal });
    this.#tasks.set(key, task);
    return task;
  }
}

/** Costs alone: reads the tasks, and trains nothing. */
export async function costsOf(cells: readonly Cell[], tasks: TaskCache): Promise<Map<string, number>> {
  const costs = new Map<string, number>();
  for (const { hash, resolved } of cells) {
    const { totalSteps } = new Plan(fitOptions(resolved), (await tasks.load(resolved)).train.length);
    costs.set(hash, totalSteps * resolved.batchSize * passesOf({ ...resolved, type: resolved.regularizer }));
  }
  return costs;
}

/** Seconds too: by the cells that have ended, else by a few steps of one cell of each model and column. */
export async function estimateCells(
  cells: readonly Cell[],
  results: ReadonlyMap<string, CellResult>,
  tasks: TaskCache,
  signal?: AbortSignal,
): Promise<Map<string, CellEstimate>> {
  const costs = await costsOf(cells, tasks);
  const rates = new Map<string, number>(); // seconds a unit of cost
  const estimates = new Map<string, CellEstimate>();
  for (const cell of cells) {
    const key = JSON.stringify([cell.group, cell.column]);
    const cost = costs.get(cell.hash) ?? 0;
    if (!rates.has(key)) rates.set(key, await rateOf(cell, cells, results, costs, tasks, signal));
    estimates.set(cell.hash, { cost, seconds: cost * (rates.get(key) ?? 0) });
  }
  return estimates;
}

async function rateOf(
  cell: Cell,
  cells: readonly Cell[],
  results: ReadonlyMap<string, CellResult>,
  costs: ReadonlyMap<string, number>,
  tasks: TaskCache,
  signal: AbortSignal | undefined,
): Promise<number> {
  for (const other of cells) {
    const seconds = results.get(other.hash)?.summary.seconds;
    const cost = costs.get(other.hash);
    if (other.group === cell.group && other.column === cell.column && seconds && cost) return seconds / cost;
  }
  const found = await estimateRun(cell.resolved, await tasks.load(cell.resolved), {
    signal,
    seconds: TRIED_SECONDS,
  });
  return found.seconds / Math.max(1, costs.get(cell.hash) ?? 1);
}
