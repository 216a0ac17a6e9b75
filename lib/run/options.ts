/** What `fit` takes: the plain settings of the configuration schema and the live objects. */
import type { FitSettings } from "../config/schema.js";
import type { SplitName } from "../datasets/types.js";

/** What a run does at the moment. */
export interface RunProgress {
  /** `tokenising` comes first, `saving` is a checkpoint or the model. */
  readonly stage: "tokenising" | "training" | "evaluating" | "saving";
  /** Of `tokenising` and `evaluating`. */
  readonly split?: SplitName | undefined;
  /** Steps, or examples; 0 of 0 where nothing is counted. */
  readonly done: number;
  readonly total: number;
}

/** How long and on what terms to train. */
export interface FitOptions extends FitSettings {
  /** Stops the run within a step; with `output` a checkpoint is written first. */
  readonly signal?: AbortSignal | undefined;
  /** Told what the run does, and how much of it is done: for displays. Called often; what it throws fails the run. */
  readonly onProgress?: ((progress: RunProgress) => void) | undefined;
  /** Further entries of the output folder's `config.json`, as a command line has them (`data`, `limitTrain`, ...). */
  readonly config?: Readonly<Record<string, unknown>> | undefined;
}
