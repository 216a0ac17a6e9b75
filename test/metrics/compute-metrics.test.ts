/** What `computeMetrics` returns and refuses, beside the numbers themselves. */

import { describe, expect, it } from "vitest";
import { isRATError } from "#dist/errors.js";
import { classificationReport } from "#dist/metrics/index.js";
import { computeMetrics, type MetricsInput } from "#dist/targets/compute-metrics.js";

const classes: MetricsInput = {
  kind: "classification",
  labels: 2,
  predictions: [0, 1, 1],
  references: [0, 1, 0],
  f1Average: "macro",
};
const scores: MetricsInput = { ...classes, kind: "regression", labels: 0 };

function expectRefusal(call: () => unknown, words: RegExp): void {
  let error: unknown;
  try {
    call();
  } catch (thrown) {
    error = thrown;
  }
  expect(isRATError(error, "ERR_RAT_INVALID_ARG"), String(error)).toBe(true);
  expect(String(error)).toMatch(words);
}

describe("computeMetrics", () => {
  it("returns what was asked for, in that order", () => {
    expect(Object.keys(computeMetrics(["matthews", "accuracy"], classes))).toEqual(["matthews", "accuracy"]);
    expect(computeMetrics([], classes)).toEqual({});
  });

  it("takes typed arrays", () => {
    const input = {
      ...classes,
      predictions: Int32Array.of(0, 1, 1),
      references: Float32Array.of(0, 1, 0),
    };
    expect(computeMetrics(["accuracy"], input)).toEqual({ accuracy: 2 / 3 });
  });

  it("gives null for no rows", () => {
    const input = { ...classes, predictions: [], references: [] };
    expect(computeMetrics(["accuracy", "f1", "matthews"], input)).toEqual({
      accuracy: null,
      f1: null,
      matthews: null,
    });
    expect(computeMetrics(["f1"], { ...input, f1Average: "binary" })).toEqual({ f1: null });
  });

  it("gives null for correlations with what is not finite", () => {
    const input = { ...scores, predictions: [1, Number.NaN, 3], references: [1, 2, 3] };
    expect(computeMetrics(["pearson", "spearman"], input)).toEqual({ pearson: null, spearman: null });
    const endless = { ...scores, predictions: [1, Infinity, 3], references: [1, 2, 3] };
    expect(computeMetrics(["pearson", "spearman"], endless)).toEqual({ pearson: null, spearman: null });
  });

  it("bad call - an unknown metric", () => {
    expectRefusal(() => computeMetrics(["f2" as "f1"], classes), /accuracy, f1, matthews/);
    expectRefusal(() => computeMetrics(["constructor" as "f1"], classes), /no metric/);
  });

  it("bad call - a correlation of classes, an accuracy of scores", () => {
    expectRefusal(() => computeMetrics(["pearson"], classes), /classification/);
    expectRefusal(() => computeMetrics(["accuracy"], scores), /pearson, spearman/);
  });

  it("bad call - lists of different lengths", () => {
    expectRefusal(() => computeMetrics(["accuracy"], { ...classes, predictions: [0] }), /references \(3\)/);
    expectRefusal(() => computeMetrics(["pearson"], { ...scores, predictions: [0] }), /references \(3\)/);
  });

  it.each([2, -1, 0.5, Number.NaN])("bad call - class %s of two", (value) => {
    expectRefusal(
      () => computeMetrics(["accuracy"], { ...classes, predictions: [0, 1, value] }),
      /predictions\[2\]/,
    );
    expectRefusal(
      () => computeMetrics(["accuracy"], { ...classes, references: [value, 1, 0] }),
      /references\[0\]/,
    );
  });

  it("bad call - binary F1 of three classes", () => {
    expectRefusal(() => computeMetrics(["f1"], { ...classes, labels: 3, f1Average: "binary" }), /2 classes/);
  });

  it("bad call - impossible arguments", () => {
    expectRefusal(() => computeMetrics("f1" as unknown as ["f1"], classes), /list of metric names/);
    expectRefusal(() => computeMetrics(["f1"], { ...classes, labels: 0 }), /number of classes/);
    expectRefusal(() => computeMetrics(["f1"], { ...classes, kind: "ranking" as "regression" }), /kind/);
    expectRefusal(
      () => computeMetrics(["f1"], { ...classes, f1Average: "micro" as "macro" }),
      /binary or macro/,
    );
  });
});

describe("classificationReport", () => {
  it("bad call - no class names", () => {
    expectRefusal(() => classificationReport({ labels: [], predictions: [], references: [] }), /class names/);
  });

  it("names the classes that occur and were never predicted", () => {
    const { neverPredicted } = classificationReport({
      ...{ labels: ["a", "b", "c", "d"], predictions: [0, 0, 2], references: [0, 1, 0] },
    });
    expect(neverPredicted).toEqual(["b"]);
  });
});
