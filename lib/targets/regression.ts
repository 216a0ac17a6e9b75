/** A score. */
import { RATError } from "../errors.js";
import { checkSameLength } from "../metrics/confusion.js";
import { pearson, spearman } from "../metrics/correlation.js";
import { define } from "./definition.js";

export const regression = define({
  kind: "regression",
  problemType: "regression",
  fewestLabels: 0,
  metrics: ["pearson", "spearman"],
  usualMetrics: ["pearson", "spearman"],
  options: [],
  label: "score",
  outputs: () => 1,
  width: () => 1,
  describe: () => "regression",
  parse: (raw) => {
    const score = raw.trim() === "" ? Number.NaN : Number(raw);
    return Number.isFinite(score) ? score : undefined;
  },
  syntax: "a finite number as score",
  newLabels: (length) => new Float32Array(length),
  write: (label, _, place, to) => {
    if (typeof label !== "number" || !Number.isFinite(label)) {
      throw new RATError(
        "ERR_RAT_LABEL",
        `Expected a finite number for ${place}.label but received ${String(label)}`,
      );
    }
    to[0] = label;
  },
  newPredictions: (length) => new Float64Array(length),
  decide: ([score = 0], to) => {
    to[0] = score;
  },
  /** Squared error. */
  loss: ([score = 0], [label = 0]) => (score - label) ** 2,
  measure: ({ predictions, references }) => {
    checkSameLength(predictions, references);
    return {
      pearson: () => pearson(predictions, references),
      spearman: () => spearman(predictions, references),
    };
  },
  probabilities: null,
  report: () => null,
  predict: ([score = 0]) => ({ score }),
});
