/** Flags of the commands that do not train: which task, where its files are, on what to compute. */
import type { Command } from "commander";
import { parseOptions } from "../config/parse.js";
import { type RunConfigKey, runConfigSchema } from "../config/schema.js";
import { addRunFlags, asUsage, givenRunFlags } from "./flags.js";

const taskSchema = runConfigSchema.pick({
  task: true,
  data: true,
  train: true,
  dev: true,
  test: true,
  split: true,
  textColumn: true,
  pairColumn: true,
  labelColumn: true,
  labels: true,
  kind: true,
  limitTrain: true,
  limitTest: true,
});

const computeSchema = runConfigSchema.pick({ device: true, threads: true });

/** Adds the flags of a task but for those in `except`, which the command spells in its own way. */
export function addTaskFlags(command: Command, except: readonly RunConfigKey[]): void {
  const keys = Object.keys(taskSchema.shape) as RunConfigKey[];
  addRunFlags(
    command,
    keys.filter((key) => !except.includes(key)),
  );
}

/**
 * The arguments of `loadTask`, checked.
 *
 * @param own Values that the command found in its own way; they win over flags of the same name.
 * @throws UsageError `ERR_RAT_CONFIG` for a missing or impossible value.
 */
export function taskOf(command: Command, own: Readonly<Record<string, unknown>> = {}) {
  const keys = Object.keys(taskSchema.shape) as RunConfigKey[];
  const given = { ...givenRunFlags(command, keys), ...own };
  const { task, ...options } = asUsage(() => parseOptions(taskSchema, given, "the command line"));
  return { name: task, options };
}

/** Adds `--device` and `--threads`. */
export function addComputeFlags(command: Command): void {
  addRunFlags(command, Object.keys(computeSchema.shape) as RunConfigKey[]);
}

/**
 * The values of `--device` and `--threads`, checked.
 *
 * @throws UsageError `ERR_RAT_CONFIG` for an impossible value.
 */
export function computeOf(command: Command) {
  const given = givenRunFlags(command, Object.keys(computeSchema.shape) as RunConfigKey[]);
  return asUsage(() => parseOptions(computeSchema, given, "the command line"));
}
