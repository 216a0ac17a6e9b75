/** What `fit` takes: the plain settings of the configuration schema and the live objects. */
import type { FitSettings } from "../config/schema.js";

/** How long and on what terms to train. */
export interface FitOptions extends FitSettings {
  /** Stops the run within a step; with `output` a checkpoint is written first. */
  readonly signal?: AbortSignal | undefined;
  /** Further entries of the output folder's `config.json`, as a command line has them (`data`, `limitTrain`, ...). */
  readonly config?: Readonly<Record<string, unknown>> | undefined;
}
