/** From a configuration to a finished run: what `r-at train` does, for whoever has a configuration. */
import { isModelType } from "../config/fields.js";
import type { ResolvedRunConfig } from "../config/resolve.js";
import type { LoadedTask } from "../datasets/types.js";
import type { Logger } from "../logger.js";
import type { TrainEvent, TrainSummary } from "../run/events.js";
import type { RunProgress } from "../run/options.js";
import { trainTokenizer } from "../tokenizers/word-vocabulary.js";
import { RATTrainer } from "../trainer/rat-trainer.js";
import { fitOptions, tokenizerOptions, trainerOptions } from "./options.js";

/** What is told on the way. */
export interface TrainHooks {
  readonly signal?: AbortSignal | undefined;
  readonly logger?: Logger | undefined;
  /** Before the run has anything to tell. */
  onStage?(stage: "counting words" | "loading the model"): void;
  onProgress?(progress: RunProgress): void;
  onEvent?(event: TrainEvent): void;
}

/** A run that is over. */
export interface TrainedModel {
  readonly trainer: RATTrainer;
  readonly summary: TrainSummary;
}

/**
 * Makes the tokenizer of a new model, trains, and calls `use`; the trainer is disposed of afterwards.
 *
 * @param task - What `loadTask(config.task, taskOptions(config))` gives: several runs may share it.
 * @throws RATError what `trainTokenizer`, `RATTrainer.create` and `fit` throw.
 */
export function trainFromConfig<T>(
  config: ResolvedRunConfig,
  task: LoadedTask,
  hooks: TrainHooks,
  use: (trained: TrainedModel) => Promise<T>,
): Promise<T> {
  return withTrainer(config, task, hooks, async (trainer) => {
    const run = trainer.fit({
      ...fitOptions(config),
      signal: hooks.signal,
      onProgress: (progress) => hooks.onProgress?.(progress),
    });
    for await (const event of run) hooks.onEvent?.(event);
    return await use({ trainer, summary: await run });
  });
}

/** Calls `use` with a configuration's trainer that has not trained yet; it is disposed of afterwards. */
export async function withTrainer<T>(
  config: ResolvedRunConfig,
  task: LoadedTask,
  { signal, logger, onStage }: TrainHooks,
  use: (trainer: RATTrainer) => Promise<T>,
): Promise<T> {
  if (isModelType(config.model)) onStage?.("counting words");
  const tokenizer = isModelType(config.model)
    ? await trainTokenizer(task.train, { ...tokenizerOptions(config), ...(signal && { signal }) })
    : undefined;
  try {
    onStage?.("loading the model");
    await using trainer = await RATTrainer.create({
      ...trainerOptions(config),
      ...{ task, tokenizer, signal, logger },
    });
    return await use(trainer);
  } finally {
    await tokenizer?.dispose();
  }
}
