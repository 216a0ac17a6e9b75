/** One class out of several. */
import { invalidArgument, RATError } from "../errors.js";
import { accuracy } from "../metrics/accuracy.js";
import { confusionMatrix } from "../metrics/confusion.js";
import { binaryF1, macroF1 } from "../metrics/f1.js";
import { matthews } from "../metrics/matthews.js";
import { classificationReport } from "../metrics/report.js";
import { didYouMean } from "../nearest.js";
import { define, type MeasureInput } from "./definition.js";
import { describeNames } from "./names.js";

export const classification = define({
  kind: "classification",
  problemType: "single_label_classification",
  fewestLabels: 2,
  metrics: ["accuracy", "f1", "matthews"],
  usualMetrics: ["accuracy", "f1"],
  options: ["classWeights", "labelSmoothing", "temperature"],
  label: "class",
  outputs: (labels) => labels.length,
  width: () => 1,
  describe: (labels) => describeNames(labels, "classes"),
  parse: (raw, { nameOf }) => nameOf(raw),
  syntax: "the name of a class",
  newLabels: (length) => new Int32Array(length),
  write: (label, indices, place, to) => {
    to[0] = classIndex(label, indices, place);
  },
  newPredictions: (length) => new Int32Array(length),
  decide: (outputs, to) => {
    to[0] = argMax(outputs);
  },
  /** Cross-entropy. */
  loss: (outputs, [label = 0]) => logSumExp(outputs) - (outputs[label] ?? 0),
  measure,
  probabilities: softmax,
  report: classificationReport,
  predict: (outputs, labels) => {
    const probabilities = new Float64Array(outputs.length);
    softmax(outputs, probabilities);
    const best = argMax(outputs);
    return {
      label: labels[best] ?? "",
      probability: probabilities[best] ?? 0,
      // fromEntries defines own properties, so that a class may be called __proto__.
      probabilities: Object.fromEntries(labels.map((label, index) => [label, probabilities[index] ?? 0])),
    };
  },
});

function softmax(outputs: Float64Array, to: Float64Array): void {
  const total = logSumExp(outputs);
  outputs.forEach((value, index) => {
    to[index] = Math.exp(value - total);
  });
}

function classIndex(label: unknown, indices: ReadonlyMap<string, number>, place: string): number {
  const index = typeof label === "string" ? indices.get(label) : undefined;
  if (index !== undefined) return index;
  const names = [...indices.keys()];
  const shown = `${names.slice(0, 10).join(", ")}${names.length > 10 ? `, ... (${names.length})` : ""}`;
  const received =
    typeof label === "string"
      ? `${JSON.stringify(label)}${didYouMean(label, names)}`
      : `${String(label)} of type ${typeof label}`;
  throw new RATError("ERR_RAT_LABEL", `Expected one of ${shown} for ${place}.label but received ${received}`);
}

function measure({ labels, predictions, references, f1Average }: MeasureInput) {
  if (f1Average !== "binary" && f1Average !== "macro") {
    invalidArgument("f1Average", "binary or macro", f1Average);
  }
  if (f1Average === "binary" && labels !== 2) {
    invalidArgument("labels", "2 classes with f1Average binary", labels);
  }
  const matrix = confusionMatrix({ labels, predictions, references });
  return {
    accuracy: () => accuracy(matrix),
    f1: () => (f1Average === "binary" ? binaryF1(matrix) : macroF1(matrix)),
    matthews: () => matthews(matrix),
  };
}

/** log Σ exp(x), without overflow. */
function logSumExp(values: Float64Array): number {
  const largest = values[argMax(values)] ?? 0;
  let sum = 0;
  for (const value of values) sum += Math.exp(value - largest);
  return largest + Math.log(sum);
}

/** Index of the largest value; of equals the first. */
function argMax(values: Float64Array): number {
  let best = 0;
  for (let index = 1; index < values.length; index++) {
    if ((values[index] ?? 0) > (values[best] ?? 0)) best = index;
  }
  return best;
}
