/**
 * Command-line flags made from the schema of a run's configuration, so that flags, files and types cannot drift apart:
 * `learningRate` of the schema is `--learning-rate NUMBER`, with the schema's description and default in the help text.
 */
import { type Command, InvalidArgumentError, Option } from "commander";
import type { z } from "zod";
import type { FieldKind } from "../config/fields.js";
import { type RunConfigKey, runConfigSchema } from "../config/schema.js";
import { isRATError } from "../errors.js";
import { UsageError } from "./failure.js";

/** Every key of a run's configuration, in the order of the schema. */
export const runConfigKeys = Object.keys(runConfigSchema.shape) as RunConfigKey[];

/** Headings of `--help`, each above the first of its flags. */
const headings: Partial<Record<RunConfigKey, string>> = {
  task: "Data:",
  model: "Model and tokens:",
  regularizer: "Method:",
  epochs: "Optimisation:",
  seed: "Run:",
};

const placeholders: Record<FieldKind, string> = {
  text: "<text>",
  texts: "<a,b,...>",
  choice: "<name>",
  integer: "<n>",
  number: "<number>",
  numbers: "<number,...>",
  flag: "",
};

/** Placeholders that say more than the kind does. */
const namedPlaceholders: Partial<Record<RunConfigKey, string>> = {
  data: "<folder>",
  output: "<folder>",
  train: "<file>",
  dev: "<file|none>",
  test: "<file>",
  textColumn: "<column>",
  pairColumn: "<column>",
  labelColumn: "<column>",
  device: "<name>",
  model: "<name|folder>",
  vectors: "<file>",
};

/** Adds the flags of `keys` to a command. */
export function addRunFlags(command: Command, keys: readonly RunConfigKey[] = runConfigKeys): void {
  for (const key of keys) {
    const { meta, defaultValue } = describeField(key);
    const heading = headings[key];
    if (heading && keys === runConfigKeys) command.optionsGroup(heading);
    const kind = meta.kind ?? "text";
    const choices = meta.choices ? `: ${meta.choices.join(", ")}` : "";
    const fallback = meta.otherwise ?? (kind === "flag" ? undefined : defaultValue);
    const help = `${meta.description ?? ""}${choices}${fallback === undefined ? "" : ` (default: ${fallback})`}`;
    const name = toFlag(key);
    if (kind === "flag") {
      // Both forms exist, so that a flag can undo a configuration file; the help shows the one that changes the default.
      const [plain, negated] = [
        new Option(name, help),
        new Option(`--no-${name.slice(2)}`, `do not ${help}`),
      ];
      command.addOption(defaultValue === true ? plain.hideHelp() : plain);
      command.addOption(defaultValue === true ? negated : negated.hideHelp());
    } else {
      const option = new Option(`${name} ${namedPlaceholders[key] ?? placeholders[kind]}`, help);
      command.addOption(option.argParser((text: string) => parseValue(kind, text)));
    }
  }
  command.optionsGroup("Options:");
}

/** Those of `keys` that stand on the command line itself, with their values. */
export function givenRunFlags(
  command: Command,
  keys: readonly RunConfigKey[] = runConfigKeys,
): Partial<Record<RunConfigKey, unknown>> {
  const given: Partial<Record<RunConfigKey, unknown>> = {};
  for (const key of keys) {
    if (command.getOptionValueSource(key) === "cli") given[key] = command.getOptionValue(key);
  }
  return given;
}

/**
 * Runs a check of flags or of a configuration file: what the schema finds is wrong usage, wherever it stood.
 *
 * @param file The configuration file that had a part in it.
 * @throws UsageError `ERR_RAT_CONFIG` in place of a RATError of that code.
 */
export function asUsage<T>(check: () => T, file?: string): T {
  try {
    return check();
  } catch (error) {
    if (!isRATError(error, "ERR_RAT_CONFIG")) throw error;
    const { option } = error.details ?? {};
    const flag = runConfigKeys.find((key) => key === option);
    const place = `${flag ? ` (${toFlag(flag)})` : ""}${file === undefined ? "" : ` (with ${file})`}`;
    throw new UsageError(`${error.message}${place}`, "ERR_RAT_CONFIG", error);
  }
}

/** `learningRate` -> `--learning-rate`. */
function toFlag(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

function describeField(key: RunConfigKey): { meta: z.GlobalMeta; defaultValue: unknown } {
  let schema = runConfigSchema.shape[key] as z.ZodType;
  let defaultValue: unknown;
  let meta = schema.meta() ?? {};
  // `.optional()` and `.default()` wrap the field, whose description and kind stand on the inside.
  while (schema.type === "default" || schema.type === "optional") {
    if (schema.type === "default") defaultValue = (schema as z.ZodDefault).def.defaultValue;
    schema = (schema as z.ZodDefault | z.ZodOptional).def.innerType as z.ZodType;
    meta = { ...schema.meta(), ...meta };
  }
  return { meta, defaultValue };
}

function parseValue(kind: FieldKind, text: string): string | string[] | number | number[] {
  switch (kind) {
    case "integer":
    case "number":
      return parseNumber(text, kind === "integer" ? "a whole number" : "a number");
    case "numbers": {
      const values = text.split(",").map((part) => parseNumber(part, "numbers separated by commas"));
      return values.length === 1 && values[0] !== undefined ? values[0] : values;
    }
    case "texts":
      return text.split(",").map((part) => part.trim());
    default:
      return text;
  }
}

const numberPattern = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

function parseNumber(text: string, expected: string): number {
  const value = Number(text);
  if (!numberPattern.test(text.trim()) || !Number.isFinite(value)) {
    throw new InvalidArgumentError(`Expected ${expected}.`);
  }
  return value;
}
