/** The training methods that an experiment compares, by name. */
import type { RunConfig } from "../config/schema.js";
import { RATError } from "../errors.js";
import { didYouMean } from "../nearest.js";
import { REGULARIZER_TYPES } from "../regularizers/index.js";

/** One line of a table. */
export interface Method {
  /** In a table. */
  readonly label: string;
  readonly options: Partial<RunConfig>;
}

const none = { regularizer: "none" } as const;

/** What the paper compares and, beside it, what an honest table needs: the usual training at its best. */
const NAMED = {
  "no-dropout": { label: "without dropout", options: { ...none, dropout: 0 } },
  dropout: { label: "dropout", options: none },
  at: { label: "AT", options: { regularizer: "fgm" } },
  "r-drop": { label: "R-Drop", options: { regularizer: "r-drop" } },
  "r-at-without-kl": { label: "R-AT without KL", options: { regularizer: "r-at", klWeight: 0 } },
  "r-at": { label: "R-AT", options: { regularizer: "r-at" } },
  "r-at-bertadam": { label: "R-AT, BertAdam", options: { regularizer: "r-at", optimizer: "bertadam" } },
  freelb: { label: "FreeLB", options: { regularizer: "freelb" } },
  "label-smoothing": { label: "label smoothing", options: { ...none, labelSmoothing: 0.1 } },
  "strong-baseline": { label: "strong baseline", options: { ...none, preset: "strong-baseline" } },
} as const satisfies Record<string, Method>;

/** Names that `--methods` takes. */
export const METHOD_NAMES = [
  ...Object.keys(NAMED),
  ...REGULARIZER_TYPES.filter((type) => !Object.hasOwn(NAMED, type) && type !== "none" && type !== "fgm"),
] as readonly string[];

/** The two that a gain is counted from: the paper's own reference, and the training that people use. */
export const BASELINES = ["no-dropout", "dropout"] as const;

/**
 * The method of a name: one of the table's, or any regularizer with its defaults.
 *
 * @throws RATError `ERR_RAT_CONFIG`.
 */
export function methodOf(name: string): Method {
  if (Object.hasOwn(NAMED, name)) return NAMED[name as keyof typeof NAMED];
  if (METHOD_NAMES.includes(name)) return { label: name, options: { regularizer: name as "pgd" } };
  throw new RATError(
    "ERR_RAT_CONFIG",
    `Unknown method ${JSON.stringify(name)}${didYouMean(name, METHOD_NAMES)}; known are ${METHOD_NAMES.join(", ")}`,
  );
}
