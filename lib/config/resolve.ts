/** A run with every default filled in: what `config.json` holds and `--config` takes back. Reads no file. */
import type { z } from "zod";
import { RATError } from "../errors.js";
import { FROM_SCRATCH } from "./defaults.js";
import { MODEL_TYPES, type ModelType } from "./fields.js";
import { checkFolderOptions } from "./folder-options.js";
import { type ResolvedMethod, resolveMethod } from "./method.js";
import { checkModelOptions } from "./model-options.js";
import { parseOptions } from "./parse.js";
import { type RunConfig, runConfigSchema } from "./schema.js";

type Parsed = z.output<typeof runConfigSchema>;
type MethodKey = "epsilon" | "klWeight" | "forwards" | "consistency" | "klReduction";

/**
 * A run configuration with its defaults. `epsilon`, `klWeight`, `forwards`, `consistency` and `klReduction` stand there
 * only if the method reads them. Where `model` is a folder, what depends on the kind of model is left to it: `maxLength`,
 * `dropout`, `epsilon`, `learningRate`, `schedule`, `warmupRatio`, `weightDecay`.
 */
export type ResolvedRunConfig = Omit<Parsed, MethodKey> & Omit<ResolvedMethod, "type">;

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
  if (fromScratch && rest.precision === "bf16") {
    throw usage("precision", `bf16 is for encoders (the folder of one); train a ${rest.model} in fp32`);
  }
  const defaults = fromScratch ? FROM_SCRATCH : undefined;
  checkModelOptions({ ...rest, isNew: fromScratch });
  const dropout = rest.dropout ?? defaults?.dropout;
  const { type: regularizer, ...method } = resolveMethod(
    rest.regularizer,
    withoutUndefined({ epsilon: epsilon ?? defaults?.epsilon, klWeight, forwards, consistency, klReduction }),
    dropout,
  );
  return withoutUndefined({
    ...rest,
    ...method,
    regularizer,
    dropout,
    maxLength: rest.maxLength ?? defaults?.maxLength,
    learningRate: rest.learningRate ?? defaults?.learningRate,
    schedule: rest.schedule ?? defaults?.schedule,
    warmupRatio: rest.warmupRatio ?? defaults?.warmupRatio,
    weightDecay: rest.weightDecay ?? defaults?.weightDecay,
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
