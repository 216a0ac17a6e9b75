/** What `RATTrainer.create` takes: the plain settings of the configuration schema and the live objects. */
import type { TrainerSettings } from "../config/schema.js";
import type { Dataset, Example, SplitName, Task } from "../datasets/types.js";
import type { Logger } from "../logger.js";
import type { Tokenizer } from "../tokenizers/types.js";

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

/** How to evaluate. */
export interface EvaluateOptions {
  readonly signal?: AbortSignal | undefined;
}

/** A data set of the trainer's task by name, or any examples. */
export type EvaluationData = SplitName | Dataset | readonly Example[];
