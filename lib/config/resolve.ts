/** A run with every default filled in: what `config.json` holds and `--config` takes back. Reads no file. */
import type { z } from "zod";
import { RATError } from "../errors.js";
import { MODEL_TYPES, type ModelType } from "./fields.js";
import { checkFolderOptions } from "./folder-options.js";
import { type ResolvedMethod, resolveMethod } from "./method.js";
import { checkModelOptions } from "./model-options.js";
import { parseOptions } from "./parse.js";
import { type RunConfig, runConfigSchema } from "./schema.js";

/** Defaults of models that are trained from scratch, word models all. */
export const FROM_SCRATCH = {
  maxLength: 400,
  dropout: 0.5,
  learningRate: 1e-3,
  schedule: "constant",
  warmupRatio: 0,
  weightDecay: 0,
} as const;

type Parsed = z.output<typeof runConfigSchema>;
type MethodKey = "epsilon" | "klWeight" | "forwards" | "consistency" | "klReduction";
type Filled = "learningRate" | "schedule" | "warmupRatio" | "weightDecay";

/**
 * A run configuration with its defaults. `epsilon`, `klWeight`, `forwards`, `consistency` and `klReduction` stand there
 * only if the method reads them; `maxLength` and `dropout` are left to the model where `model` is a folder.
 */
export type ResolvedRunConfig = Omit<Parsed, MethodKey | Filled> &
  Omit<ResolvedMethod, "type"> & { [K in Filled]: NonNullable<Parsed[K]> };

/** Whether `model` names an architecture rather than a folder. */
export function isModelType(model: string): model is ModelType {
  return (MODEL_TYPES as readonly string[]).includes(model);
}

/**
 * Checks a flat configuration and fills in its defaults, those that depend on the method and the model too. Resolving a
 * resolved configuration changes nothing.
 *
 * @throws RATError `ERR_RAT_CONFIG` for an unknown key, a missing or impossible value, a list whose length is not the
 *   number of forwards, or no place to take data from.
 */
export function resolveRunConfig(raw: RunConfig | Readonly<Record<string, unknown>>): ResolvedRunConfig {
  const parsed = parseOptions(runConfigSchema, raw, "the run configuration");
  const { epsilon, klWeight, forwards, consistency, klReduction, ...rest } = parsed;
  if (rest.data === undefined && rest.train === undefined) {
    throw usage("data", "data is missing: give the folder of the task's files, or train (and test) files");
  }
  checkFolderOptions(parsed);
  checkSizes(parsed);
  const fromScratch = isModelType(rest.model);
  checkModelOptions({ ...rest, isNew: fromScratch });
  const dropout = rest.dropout ?? (fromScratch ? FROM_SCRATCH.dropout : undefined);
  const maxLength = rest.maxLength ?? (fromScratch ? FROM_SCRATCH.maxLength : undefined);
  const { type: regularizer, ...method } = resolveMethod(
    rest.regularizer,
    withoutUndefined({ epsilon, klWeight, forwards, consistency, klReduction }),
    dropout,
  );
  return withoutUndefined({
    ...rest,
    ...method,
    regularizer,
    dropout,
    maxLength,
    learningRate: rest.learningRate ?? FROM_SCRATCH.learningRate,
    schedule: rest.schedule ?? FROM_SCRATCH.schedule,
    warmupRatio: rest.warmupRatio ?? FROM_SCRATCH.warmupRatio,
    weightDecay: rest.weightDecay ?? FROM_SCRATCH.weightDecay,
  }) as ResolvedRunConfig;
}

/** A size that the model does not have would otherwise be dropped without a word. */
function checkSizes(config: Parsed): void {
  const { model } = config;
  const foreign = ["embeddingSize", "hiddenSize", "layers", "windows"] as const;
  for (const name of foreign) {
    if (config[name] === undefined) continue;
    if (!isModelType(model))
      throw usage(name, `${name} is for new models (${MODEL_TYPES.join(", ")}): a folder has its own`);
    if (name === (model === "textcnn" ? "layers" : "windows")) throw usage(name, `${model} has no ${name}`);
  }
}

function usage(option: string, message: string): RATError {
  return new RATError("ERR_RAT_CONFIG", message, { details: { option } });
}

/** So that a flag that was not given and a key that is absent are the same, and JSON keeps what is there. */
function withoutUndefined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
