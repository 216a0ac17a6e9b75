/** What `RATTrainer.create` and `fit` take: the plain settings of the configuration schema and the live objects. */
import type { FitSettings, TrainerSettings } from "../config/schema.js";
import type { Dataset, Example, SplitName, Task } from "../datasets/types.js";
import type { Tokenizer } from "../tokenizers/types.js";

/** Where the library says what it chose; it is quiet without one. `console` and pino loggers fit. */
export interface Logger {
  info(message: string): void;
  warn(message: string): void;
}

/**
 * A task, and how its data sets are held. `D` is wide on purpose: arrays are read where they are, other iterables once.
 */
export interface TrainerOptions extends TrainerSettings {
  /** What is learnt: `loadTask(...)`, or an object of the same shape. */
  readonly task: Task<Dataset>;
  /** How text becomes tokens. Left out for `model: { path }`, whose folder has its own. */
  readonly tokenizer?: Tokenizer | undefined;
  /** Default: quiet. */
  readonly logger?: Logger | undefined;
  /** Aborts the loading of weights. */
  readonly signal?: AbortSignal | undefined;
}

/** How long and on what terms to train. */
export interface FitOptions extends FitSettings {
  /** Stops the run within a step; with `output` a checkpoint is written first. */
  readonly signal?: AbortSignal | undefined;
  /** Further entries of the output folder's `config.json`, as a command line has them (`data`, `limitTrain`, ...). */
  readonly config?: Readonly<Record<string, unknown>> | undefined;
}

/** How to evaluate. */
export interface EvaluateOptions {
  readonly signal?: AbortSignal | undefined;
}

/** A data set of the trainer's task by name, or any examples. */
export type EvaluationData = SplitName | Dataset | readonly Example[];
