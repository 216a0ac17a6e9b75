/**
 * The trainings of an experiment by what they are: two plans, machines or weeks that want the same training want the same
 * cell, and its result is used again.
 */
import { isModelType } from "../config/fields.js";
import { type OptionName, optionRecord } from "../config/options.js";
import { type ResolvedRunConfig, resolveRunConfig } from "../config/resolve.js";
import { type LoadTaskOptions, taskFiles } from "../datasets/load-task.js";
import { throwIfAborted } from "../errors.js";
import { exists } from "../files/atomic-folder.js";
import { hashText } from "../files/checksum.js";
import { taskOptions } from "../pipeline/options.js";
import { hashPath } from "../run/provenance.js";
import { VERSION } from "../version.js";
import { type ExperimentPlan, NOT_COUNTED, type PlannedRun } from "./plan.js";

/** A training with its name. */
export interface Cell extends PlannedRun {
  /** Of configuration, data and version, 16 hexadecimal digits; not of where or how it runs. */
  readonly hash: string;
  readonly resolved: ResolvedRunConfig;
}

/**
 * Names the runs of a plan. Reads the data files, and the folders of pretrained models, to hash them; each once.
 *
 * @throws RATError `ERR_RAT_CONFIG`, `ERR_RAT_PATH` and what `loadTask` says of options and files.
 */
export async function cellsOf(plan: ExperimentPlan, signal?: AbortSignal): Promise<Cell[]> {
  const hash = once(hashPath);
  // Runs of one task differ in much, and in its files seldom.
  const data = once(async (key: string) => {
    const [task, options] = JSON.parse(key) as [string, LoadTaskOptions];
    return Promise.all((await taskFiles(task, options)).map(hash));
  });
  const cells: Cell[] = [];
  for (const run of plan.runs) {
    throwIfAborted(signal);
    const resolved = resolveRunConfig(run.config);
    cells.push({ ...run, resolved, hash: await hashOf(resolved, data, hash) });
  }
  return cells;
}

/** The same call makes the same work once. */
function once<T>(work: (key: string) => Promise<T>): (key: string) => Promise<T> {
  const known = new Map<string, Promise<T>>();
  return (key) => {
    const result = known.get(key) ?? work(key);
    known.set(key, result);
    return result;
  };
}

async function hashOf(
  config: ResolvedRunConfig,
  dataOf: (key: string) => Promise<string[]>,
  hashFile: (path: string) => Promise<string>,
): Promise<string> {
  const data = await dataOf(JSON.stringify([config.task, taskOptions(config)]));
  // Without dev rows a run is another, whatever its files are.
  const without = [config.dev, config.test].map((file) => file === "none");
  const counted: Record<string, unknown> = {};
  for (const name of (Object.keys(config) as OptionName[]).sort()) {
    if (NOT_COUNTED.has(name)) continue;
    const value = config[name as keyof ResolvedRunConfig];
    const isFile = optionRecord(name).isPath === true || (name === "model" && !isModelType(config.model));
    counted[name] =
      isFile && typeof value === "string" && (await exists(value)) ? await hashFile(value) : value;
  }
  return hashText(JSON.stringify({ version: VERSION, data, without, config: counted })).slice(0, 16);
}
