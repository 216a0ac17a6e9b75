/** Flags of the commands that do not train: which task, where its files are, how to use the model. */
import type { Command } from "commander";
import type { OptionName } from "../config/options.js";
import { parseOptions } from "../config/parse.js";
import { runConfigSchema, taskConfigSchema } from "../config/schema.js";
import { addRunFlags, asUsage, type FlagWords, givenRunFlags } from "./flags.js";

const taskNames = Object.keys(taskConfigSchema.shape) as OptionName[];
const useNames: readonly OptionName[] = ["device", "threads", "threshold"];
const useSchema = runConfigSchema.pick({ device: true, threads: true, threshold: true });

/** Adds the flags of a task but for those in `except`, which the command spells in its own way. */
export function addTaskFlags(command: Command, except: readonly OptionName[], words: FlagWords = {}): void {
  addRunFlags(
    command,
    taskNames.filter((name) => !except.includes(name)),
    words,
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

/** Adds the flags of `Classifier.load`. */
export function addUseFlags(command: Command): void {
  addRunFlags(command, useNames);
}

/**
 * Their values, checked.
 *
 * @throws UsageError `ERR_RAT_CONFIG` for an impossible value.
 */
export function useOf(command: Command) {
  const given = givenRunFlags(command, useNames);
  return asUsage(() => parseOptions(useSchema, given, "the command line"));
}
