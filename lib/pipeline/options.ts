/** From a resolved run to the options of the functions that carry it out, so that a command line only calls them. */
import type { z } from "zod";
import { isModelType } from "../config/fields.js";
import { OPTIONS, type OptionName, type Options, type Owner } from "../config/options.js";
import type { ResolvedRunConfig } from "../config/resolve.js";
import type { ModelOptions, Regularizer } from "../config/schema.js";
import type { FitOptions } from "../run/options.js";
import type { TrainerOptions } from "../trainer/options.js";

/** Options of `loadTask(config.task, ...)`. */
export function taskOptions(config: ResolvedRunConfig) {
  return owned(config, "task");
}

/** Options of `trainTokenizer(task.train, ...)`. */
export function tokenizerOptions(config: ResolvedRunConfig) {
  return owned(config, "tokenizer");
}

/** Options of `RATTrainer.create`, to which the task, the tokenizer and a logger are added. */
export function trainerOptions(config: ResolvedRunConfig): Omit<TrainerOptions, "task"> {
  const { optimizer, ...numbers } = owned(config, "optimizer");
  return {
    ...owned(config, "trainer"),
    model: modelOf(config),
    regularizer: { type: config.regularizer, ...owned(config, "regularizer") } as Regularizer,
    optimizer: { type: optimizer, ...numbers },
  };
}

/** Options of `trainer.fit`, to which a signal is added. */
export function fitOptions(config: ResolvedRunConfig): FitOptions {
  return { ...owned(config, "fit"), config };
}

type Owned<O extends Owner> = {
  [Name in OptionName as Options[Name]["owner"] extends O ? Name : never]?: z.output<Options[Name]["schema"]>;
};

/** What a configuration has for one owner. */
function owned<O extends Owner>(config: ResolvedRunConfig, owner: O): Owned<O> {
  const own = (Object.entries(config) as [OptionName, unknown][]).filter(
    ([name]) => OPTIONS[name].owner === owner,
  );
  return Object.fromEntries(own) as Owned<O>;
}

function modelOf({ model, embeddingSize, hiddenSize, layers, windows }: ResolvedRunConfig): ModelOptions {
  if (!isModelType(model)) return { path: model };
  const widths = typeof windows === "number" ? [windows] : windows;
  return model === "textcnn"
    ? { type: model, embeddingSize, hiddenSize, windows: widths }
    : { type: model, embeddingSize, hiddenSize, layers };
}
