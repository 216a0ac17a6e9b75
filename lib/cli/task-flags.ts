/** Flags of the commands that do not train: which task, where its files are, on what to compute. */
import type { Command } from "commander";
import type { OptionName } from "../config/options.js";
import { parseOptions } from "../config/parse.js";
import { runConfigSchema, taskConfigSchema } from "../config/schema.js";
import { addRunFlags, asUsage, givenRunFlags } from "./flags.js";

const taskNames = Object.keys(taskConfigSchema.shape) as OptionName[];
const computeNames: readonly OptionName[] = ["device", "threads"];
const computeSchema = runConfigSchema.pick({ device: true, threads: true });

/** Adds the flags of a task but for those in `except`, which the command spells in its own way. */
export function addTaskFlags(command: Command, except: readonly OptionName[]): void {
  addRunFlags(
    command,
    taskNames.filter((name) => !except.includes(name)),
  );
}

/**
 * The arguments of `loadTask`, checked.
 *
 * @param own Values that the command found in its own way; they win over flags of the same name.
 * @throws UsageError `ERR_RAT_CONFIG` for a missing or impossible value.
 */
export function taskOf(command: Command, own: Readonly<Record<string, unknown>> = {}) {
  const given = { ...givenRunFlags(command, taskNames), ...own };
  const { task, ...options } = asUsage(() => parseOptions(taskConfigSchema, given, "the command line"));
  return { name: task, options };
}

/** Adds `--device` and `--threads`. */
export function addComputeFlags(command: Command): void {
  addRunFlags(command, computeNames);
}

/**
 * The values of `--device` and `--threads`, checked.
 *
 * @throws UsageError `ERR_RAT_CONFIG` for an impossible value.
 */
export function computeOf(command: Command) {
  const given = givenRunFlags(command, computeNames);
  return asUsage(() => parseOptions(computeSchema, given, "the command line"));
}
