/** A run with every default filled in: what `config.json` holds and `--config` takes back. Reads no file. */
import type { z } from "zod";
import { configError } from "../errors.js";
import type { RegularizerField } from "../regularizers/index.js";
import { isModelType, MODEL_TYPES, TASK_NAMES } from "./fields.js";
import { checkFitOptions } from "./fit-options.js";
import { checkFolderOptions } from "./folder-options.js";
import { checkModelOptions, checkNoEncoderOptions } from "./model-options.js";
import { OPTION_NAMES, OPTIONS, type OptionName, optionRecord } from "./options.js";
import { parseOptions } from "./parse.js";
import { PRESET_NAMES } from "./preset-names.js";
import { presetOf } from "./presets.js";
import { type ResolvedRegularizer, resolveRegularizer } from "./regularizer.js";
import { type RunConfig, runConfigSchema } from "./schema.js";

type Parsed = z.output<typeof runConfigSchema>;

/**
 * A run configuration with its defaults. What only some regularizers read stands there only if this one does. Where `model` is
 * a folder, what depends on the kind of model is left to it (`byModel` of `options.ts`).
 */
export type ResolvedRunConfig = Omit<Parsed, RegularizerField> & Omit<ResolvedRegularizer, "type">;

/**
 * Checks a flat configuration and fills in its defaults, those that depend on the regularizer and the model too. Resolving a
 * resolved configuration changes nothing.
 *
 * @throws RATError `ERR_RAT_CONFIG` for an unknown key, a missing or impossible value, a list whose length is not the
 *   number of forwards, or no place to take data from.
 */
export function resolveRunConfig(raw: RunConfig | Readonly<Record<string, unknown>>): ResolvedRunConfig {
  const parsed = parseOptions(runConfigSchema, withPreset(withoutProvenance(raw)), "the run configuration");
  if (parsed.data === undefined && parsed.train === undefined) {
    throw configError(
      "data",
      "`data` is missing: give the folder of the task's files, or `train` (and `test`) files",
    );
  }
  checkFolderOptions(parsed);
  checkSizes(parsed);
  checkFitOptions(parsed);
  const isNew = isModelType(parsed.model);
  if (isNew) checkNoEncoderOptions(parsed.model, parsed);
  checkModelOptions({ ...parsed, isNew });
  const { epsilon, ...defaults } = isNew ? { precision: "fp32" as const, ...fromScratchDefaults() } : {};
  const [ofRegularizer, others] = divide(parsed, (name) => OPTIONS[name].owner === "regularizer");
  const rest: Partial<Parsed> = { ...defaults, ...withoutUndefined(others) };
  const { type: regularizer, ...filledIn } = resolveRegularizer(
    { type: parsed.regularizer, ...(ofRegularizer as Omit<ResolvedRegularizer, "type">) },
    rest.dropout,
    epsilon,
  );
  return withoutUndefined({ ...rest, ...filledIn, regularizer }) as ResolvedRunConfig;
}

/** What a run's `config.json` says of how it came about is no option. */
export function withoutProvenance<T extends object>(raw: T): T {
  if (typeof raw !== "object" || raw === null || !Object.hasOwn(raw, "provenance")) return raw;
  return Object.fromEntries(Object.entries(raw).filter(([name]) => name !== "provenance")) as T;
}

/** A preset's options below those that are given. A wrong name, task or model is for the schema to say. */
function withPreset(raw: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { task, model, preset, dropout }: Partial<RunConfig> = Object(raw);
  const name = PRESET_NAMES.find((known) => known === preset);
  const knownTask = TASK_NAMES.find((known) => known === task);
  if (name === undefined || knownTask === undefined || typeof model !== "string") return raw;
  return { ...presetOf(name, { task: knownTask, model, dropout }).options, ...withoutUndefined(raw) };
}

/** Of a model that is trained from scratch, where they differ. */
function fromScratchDefaults(): Partial<Parsed> {
  const names = OPTION_NAMES.filter((name) => optionRecord(name).byModel !== undefined);
  return Object.fromEntries(names.map((name) => [name, optionRecord(name).byModel?.fromScratch]));
}

/** The entries that are chosen, and the others. */
function divide(config: Partial<Parsed>, isChosen: (name: OptionName) => boolean) {
  const entries = Object.entries(config) as [OptionName, unknown][];
  const of = (wanted: boolean) => Object.fromEntries(entries.filter(([name]) => isChosen(name) === wanted));
  return [of(true), of(false)] as const;
}

/** A size that the model does not have would otherwise be dropped without a word. */
function checkSizes(config: Parsed): void {
  const { model } = config;
  const foreign = ["embeddingSize", "hiddenSize", "layers", "windows"] as const;
  for (const name of foreign) {
    if (config[name] === undefined) continue;
    if (!isModelType(model))
      throw configError(name, `${name} is for new models (${MODEL_TYPES.join(", ")}): a folder has its own`);
    if (name === (model === "textcnn" ? "layers" : "windows"))
      throw configError(name, `${model} has no ${name}`);
  }
}

/** So that a flag that was not given and a key that is absent are the same, and JSON keeps what is there. */
function withoutUndefined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
