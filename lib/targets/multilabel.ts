/** Labels that do not exclude each other: an example has some of them, or none. Each is a yes-or-no question of its own. */
import { invalidArgument, RATError } from "../errors.js";
import {
  type LabelCounts,
  labelCounts,
  macroF1OfSets,
  microF1OfSets,
  subsetAccuracy,
} from "../metrics/label-sets.js";
import { labelSetReport } from "../metrics/report.js";
import { define, type LabelSpelling } from "./definition.js";
import { describeNames } from "./names.js";

export const multilabel = define({
  kind: "multilabel",
  problemType: "multi_label_classification",
  fewestLabels: 1,
  metrics: ["microF1", "macroF1", "accuracy"],
  usualMetrics: ["microF1", "macroF1", "accuracy"],
  options: ["temperature", "threshold"],
  label: "set",
  outputs: (labels) => labels.length,
  width: (labels) => labels.length,
  describe: (labels) => describeNames(labels, "labels"),
  parse,
  syntax: "a JSON array of labels",
  newLabels: (length) => new Float32Array(length),
  write: (label, indices, place, to) => {
    const names = Array.isArray(label) ? label : wrongLabel(label, indices, place);
    to.fill(0);
    for (const name of names as unknown[]) {
      const index = typeof name === "string" ? indices.get(name) : undefined;
      to[index ?? wrongLabel(name, indices, place)] = 1;
    }
  },
  newPredictions: (length) => new Int32Array(length),
  decide: (outputs, to, threshold) => {
    outputs.forEach((logit, index) => {
      to[index] = probability(logit) >= threshold ? 1 : 0;
    });
  },
  /** Binary cross-entropy, mean over the labels, as PyTorch's `BCEWithLogitsLoss`. */
  loss: (outputs, label) => {
    let total = 0;
    outputs.forEach((logit, index) => {
      total += Math.max(logit, 0) - logit * (label[index] ?? 0) + Math.log1p(Math.exp(-Math.abs(logit)));
    });
    return total / outputs.length;
  },
  measure: ({ labels, predictions, references }) => {
    if (predictions.length !== references.length || references.length % labels !== 0)
      invalidArgument("predictions", `as many as references (${references.length})`, predictions.length);
    let known: readonly LabelCounts[] | undefined;
    const counts = () => {
      known ??= labelCounts(labels, predictions, references);
      return known;
    };
    return {
      microF1: () => microF1OfSets(counts()),
      macroF1: () => macroF1OfSets(counts()),
      accuracy: () => subsetAccuracy(labels, predictions, references),
    };
  },
  probabilities: (outputs, to) => {
    outputs.forEach((logit, index) => {
      to[index] = probability(logit);
    });
  },
  report: labelSetReport,
  predict: (outputs, labels, threshold) => {
    const probabilities = labels.map((label, index) => [label, probability(outputs[index] ?? 0)] as const);
    return {
      labels: probabilities.filter(([, p]) => p >= threshold).map(([label]) => label),
      probabilities: Object.fromEntries(probabilities),
    };
  },
});

function probability(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}

/** A JSON array of names or numbers; else names with the separator between them; without one, a single name. */
function parse(raw: string, { separator, nameOf }: LabelSpelling): string[] | undefined {
  if (!raw.trimStart().startsWith("[")) {
    const names = separator === undefined ? [raw] : raw.split(separator).map((name) => name.trim());
    return [...new Set(names.filter((name) => name !== "").map(nameOf))];
  }
  let array: unknown;
  try {
    array = JSON.parse(raw);
  } catch {
    return undefined;
  }
  if (!Array.isArray(array) || array.some((name) => typeof name !== "string" && typeof name !== "number"))
    return undefined;
  return [...new Set(array.map((name) => nameOf(String(name))))];
}

function wrongLabel(label: unknown, indices: ReadonlyMap<string, number>, place: string): never {
  const received =
    typeof label === "string" ? JSON.stringify(label) : `${String(label)} of type ${typeof label}`;
  throw new RATError(
    "ERR_RAT_LABEL",
    `Expected an array out of ${[...indices.keys()].slice(0, 10).join(", ")} for ${place}.label but received ${received}`,
  );
}
