/** What a run works on: the trainer's model, its task, and the options that both were made with. */
import type { ModelKind, Resolved } from "../config/defaults.js";
import type { PerForward, ResolvedRegularizer } from "../config/regularizer.js";
import type { Dataset, Task } from "../datasets/types.js";
import type { Logger } from "../logger.js";
import type { ModelConfig } from "../models/config.js";
import type { NativeBuildInfo, NativeTrainer, Precision } from "../native/binding.js";
import type { Tokenizer } from "../tokenizers/types.js";

/** The options of `create` with everything filled in, by their names in a run's configuration. */
export type TrainerSettingsInUse = Omit<
  Resolved<"trainer" | "optimizer">,
  "dropout" | "threads" | "precision"
> & {
  /** null = the rates of the model. */
  readonly dropout: PerForward | null;
  readonly threads: number;
  readonly precision: Precision;
};

/** All that a trainer consists of. */
export interface TrainerParts {
  readonly model: NativeTrainer;
  /** The model as its folder will describe it; `labels` is the order of the outputs. */
  readonly config: ModelConfig;
  /** What the user calls the model: its architecture, or the folder it came from. */
  readonly modelName: string;
  readonly task: Task<Dataset>;
  readonly tokenizer: Tokenizer;
  /** Whether the trainer made the tokenizer, and so disposes of it. */
  readonly ownsTokenizer: boolean;
  readonly regularizer: ResolvedRegularizer;
  /** Whether the model is trained from scratch rather than read from a folder. */
  readonly isNew: boolean;
  /** Decides the defaults of `fit`. */
  readonly modelKind: ModelKind;
  readonly settings: TrainerSettingsInUse;
  readonly build: NativeBuildInfo;
  readonly logger: Logger;
}
