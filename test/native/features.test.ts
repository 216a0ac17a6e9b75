/**
 * Label smoothing, class weights, learning rates by layer and frozen parts: ten steps of every from-scratch model beside plain
 * PyTorch (test/reference/features.py), on the CPU, as one batch and in micro-batches.
 */
import { describe, expect, test } from "vitest";
import { expectParity, fixtureCases } from "../support/parity.js";
import { examplesOf, withTiny } from "../support/tiny-models.js";

const cases = fixtureCases("features.json");

describe.each(["fp32", "fp64"] as const)("parity with PyTorch in %s", (precision) => {
  test.each(cases)("%s", (_, c) => expectParity(c, "cpu", precision));
});

describe("in micro-batches", () => {
  test.each(cases)("%s", (_, c) => expectParity(c, "cpu", "fp64", true));
});

describe("class weights", () => {
  test("of a step whose classes weigh nothing leave no supervised loss", async () => {
    await withTiny("textcnn", {}, async (trainer) => {
      await trainer.setClassWeights(Float64Array.of(0, 1, 1));
      const batch = { ...examplesOf([1, 2]), labels: Int32Array.of(0, 0) };
      expect(await trainer.trainStep(batch, 1, 0.1)).toMatchObject({ loss: 0, gradNorm: 0 });
    });
  });

  test.each([
    ["too few", [1, 1]],
    ["negative", [1, -1, 1]],
    ["infinite", [1, Number.POSITIVE_INFINITY, 1]],
  ])("bad call - %s weights", async (_, weights) => {
    await withTiny("textcnn", {}, async (trainer) => {
      const refused = trainer.setClassWeights(Float64Array.from(weights));
      await expect(refused).rejects.toMatchObject({ code: "ERR_RAT_INVALID_ARG" });
    });
  });

  test("bad call - of a regression", async () => {
    await withTiny("textcnn", { kind: "regression" }, async (trainer) => {
      const refused = trainer.setClassWeights(Float64Array.of(1));
      await expect(refused).rejects.toMatchObject({ code: "ERR_RAT_INVALID_ARG" });
    });
  });
});
