/**
 * Command-line flags made from the options' records, so that flags, files and types cannot drift apart: `learningRate` is
 * `--learning-rate NUMBER`, with the record's description and default in the help text.
 */
import { type Command, InvalidArgumentError, Option } from "commander";
import type { FieldKind } from "../config/fields.js";
import { OPTION_NAMES, type OptionName, type OptionRecord, optionRecord } from "../config/options.js";
import { isRATError } from "../errors.js";
import { UsageError } from "./failure.js";
import { isOptionName, toFlag } from "./flag-names.js";

/** What the help calls a flag's value. */
const ARGUMENTS: Record<FieldKind, string> = {
  text: "<text>",
  texts: "<a,b,...>",
  choice: "<name>",
  integer: "<n>",
  number: "<number>",
  numbers: "<number,...>",
  words: "<text>",
  flag: "",
};

/** What a command says of a flag in its help, where that is not what training says; null: nothing. */
export type FlagWords = Readonly<Partial<Record<OptionName, string | null>>>;

/** Adds the flags of `names` to a command. */
export function addRunFlags(
  command: Command,
  names: readonly OptionName[] = OPTION_NAMES,
  words: FlagWords = {},
): void {
  let group: string | undefined;
  for (const name of names) {
    const record = optionRecord(name);
    const { description = "", kind = "text", choices } = record.schema.meta() ?? {};
    if (record.group !== group && names === OPTION_NAMES) {
      group = record.group;
      command.optionsGroup(`${group}:`);
    }
    const fallback = defaultInWords(record, kind);
    const help =
      words[name] ??
      `${description}${choices ? `: ${choices.join(", ")}` : ""}${fallback === undefined ? "" : ` (default: ${fallback})`}`;
    const isHidden = words[name] === null;
    const flag = toFlag(name);
    if (kind === "flag") {
      // Both forms exist, so that a flag can undo a configuration file; the help shows the one that changes the default.
      const [plain, negated] = [
        new Option(flag, help),
        new Option(`--no-${flag.slice(2)}`, `do not ${help}`),
      ];
      command.addOption(record.default === true ? plain.hideHelp() : plain);
      command.addOption(record.default === true ? negated : negated.hideHelp());
    } else {
      const option = new Option(`${flag} ${record.argument ?? ARGUMENTS[kind]}`, help);
      command.addOption(option.argParser((text: string) => parseValue(kind, text)).hideHelp(isHidden));
    }
  }
  command.optionsGroup("Options:");
}

function defaultInWords({ byModel, otherwise, ...record }: OptionRecord, kind: FieldKind): unknown {
  if (otherwise !== undefined) return otherwise;
  if (byModel === undefined) return kind === "flag" ? undefined : record.default;
  const { fineTuning = "the model's", fromScratch } = byModel;
  return `${inWords(fineTuning)}, from scratch ${inWords(fromScratch)}`;
}

/** 2e-5 rather than 0.00002. */
function inWords(value: unknown): unknown {
  return typeof value === "number" && value > 0 && value < 0.01 ? value.toExponential() : value;
}

/** Those of `keys` that stand on the command line itself, with their values. */
export function givenRunFlags(
  command: Command,
  keys: readonly OptionName[] = OPTION_NAMES,
): Partial<Record<OptionName, unknown>> {
  const given: Partial<Record<OptionName, unknown>> = {};
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
    return throwAsUsage(error, file);
  }
}

/** The same of an error that was caught already: anything else is thrown as it is. */
export function throwAsUsage(error: unknown, file?: string): never {
  if (!isRATError(error, "ERR_RAT_CONFIG")) throw error;
  const { option } = error.details ?? {};
  const [name] = String(option ?? "").split(".");
  const isNamed = isOptionName(name ?? "") && !error.message.includes(`\`${name}\``);
  const place = `${isNamed ? ` (${toFlag(name ?? "")})` : ""}${file === undefined ? "" : ` (with ${file})`}`;
  throw new UsageError(`${error.message}${place}`, "ERR_RAT_CONFIG", error);
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
    case "words": {
      const parts = text.split(",");
      if (!parts.every((part) => numberPattern.test(part.trim()))) return text;
      return parseValue("numbers", text);
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
