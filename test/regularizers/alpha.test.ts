/** What α means in each convention, held to the losses themselves. */
import { describe, expect, it } from "vitest";
import { native } from "#dist/native/binding.js";
import { ALPHA_CONVENTIONS, type AlphaConvention, convertAlpha } from "#dist/regularizers/alpha.js";
import { expectRATError } from "../trainer/toy.js";

const [batchSize, classes] = [3, 4];
const logits = Float64Array.from({ length: 2 * batchSize * classes }, (_, i) => Math.sin(i * 1.7) * 2);
const labels = Int32Array.of(0, 3, 1);
const lossesIn = (klReduction: "batch-mean" | "sum" | "element-mean") =>
  native().forwardLosses({ logits, labels, forwards: 2, klWeight: 1, klReduction });

it.each(["batch-mean", "sum", "element-mean"] as const)(
  "--kl-reduction %s weighs as it says",
  (reduction) => {
    const converted = convertAlpha(0.7, { from: reduction, to: "batch-mean", batchSize, classes });
    const [given, mean] = [lossesIn(reduction), lossesIn("batch-mean")];
    expect(converted * mean.consistency).toBeCloseTo(0.7 * given.consistency, 12);
  },
);

/** KL(P_i || P_j) + KL(P_j || P_i) of each example, from softmax. */
function symmetric(): number[] {
  const p = (k: number, b: number) => {
    const row = logits.slice((k * batchSize + b) * classes, (k * batchSize + b + 1) * classes).map(Math.exp);
    const total = row.reduce((sum, value) => sum + value, 0);
    return row.map((value) => value / total);
  };
  return Array.from({ length: batchSize }, (_, b) => {
    const [i, j] = [p(0, b), p(1, b)];
    return i.reduce((sum, value, c) => sum + (value - (j[c] ?? 0)) * Math.log(value / (j[c] ?? 0)), 0);
  });
}

it("the formulas of others, written out, are the same numbers in ours", () => {
  const kl = symmetric();
  const sum = kl.reduce((total, value) => total + value, 0);
  const mean = sum / batchSize;
  const { supervised: ce, consistency } = lossesIn("batch-mean");
  const ours = (alpha: number, from: AlphaConvention) =>
    ce + convertAlpha(alpha, { from, to: "batch-mean", batchSize, classes }) * consistency;
  // Half of R-Drop's equation 4, whose cross-entropies are summed.
  expect(ours(2, "r-drop-paper")).toBeCloseTo((2 * ce + (2 / 2) * mean) / 2, 12);
  expect(ours(2, "r-drop-code")).toBeCloseTo(ce + (2 * sum) / 2, 12);
  expect(ours(2, "r-at-code")).toBeCloseTo(ce + (2 * sum) / 2, 12);
  expect(ours(2, "r3f")).toBeCloseTo(ce + 2 * mean, 12);
});

describe("convertAlpha", () => {
  it("there and back is what it was, for every pair", () => {
    const names = Object.keys(ALPHA_CONVENTIONS) as AlphaConvention[];
    for (const from of names)
      for (const to of names) {
        const there = convertAlpha(0.5, { from, to, batchSize: 32, classes: 7 });
        expect(convertAlpha(there, { from: to, to: from, batchSize: 32, classes: 7 })).toBeCloseTo(0.5, 12);
      }
  });

  it.each([
    ["an unknown convention", 1, { from: "mine" }, /from/],
    ["half an example", 1, { batchSize: 0.5 }, /batchSize/],
    ["no class", 1, { classes: 0 }, /classes/],
    ["a weight that is none", Number.NaN, {}, /alpha/],
    ["a negative weight", -1, {}, /alpha/],
  ])("bad call - %s", async (_, alpha, change, message) => {
    const options = { ...{ from: "sum", to: "batch-mean", batchSize: 2, classes: 2 }, ...change };
    await expectRATError(() => convertAlpha(alpha, options as never), "ERR_RAT_INVALID_ARG", message);
  });
});
