/**
 * The trainings of an experiment by what they are: two plans, machines or weeks that want the same training want the same
 * cell, and its result is used again.
 */
import { stat } from "node:fs/promises";
import { isModelType } from "../config/fields.js";
import { type OptionName, optionRecord } from "../config/options.js";
import { type ResolvedRunConfig, resolveRunConfig } from "../config/resolve.js";
import { taskFiles } from "../datasets/load-task.js";
import { throwIfAborted } from "../errors.js";
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
  const hashes = new Map<string, Promise<string>>();
  const once = (path: string) => {
    const hash = hashes.get(path) ?? hashPath(path);
    hashes.set(path, hash);
    return hash;
  };
  const cells: Cell[] = [];
  for (const run of plan.runs) {
    throwIfAborted(signal);
    const resolved = resolveRunConfig(run.config);
    cells.push({ ...run, resolved, hash: await hashOf(resolved, once) });
  }
  return cells;
}

async function hashOf(
  config: ResolvedRunConfig,
  hashFile: (path: string) => Promise<string>,
): Promise<string> {
  const data: string[] = [];
  for (const path of await taskFiles(config.task, taskOptions(config))) data.push(await hashFile(path));
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

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
