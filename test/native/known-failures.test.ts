/** What goes wrong in other implementations of adversarial training, and must not here. */
import { describe, expect, test } from "vitest";
import {
  examplesOf,
  modelNames,
  packTexts,
  tinyModels,
  weightsOf,
  withTiny,
} from "../support/tiny-models.js";

const IDS = [3, 14, 15, 9];
const ratStep = { type: "r-at", forwards: 2, epsilon: [0.5], klWeight: 0.5 } as const;

describe.each(modelNames)("%s", (name) => {
  // An adversary that looks for a parameter by name, and perturbs nothing where it is called otherwise.
  test("is perturbed, whatever its embeddings are called", async () => {
    const regularizer = { ...ratStep, epsilon: [1e-3] };
    const result = await withTiny(name, { regularizer }, (trainer) =>
      trainer.trainStep(examplesOf(IDS), 1, 0),
    );
    expect(result.deltaNorm).toBeCloseTo(1e-3, 12);
    expect(result.adversarialLoss).toBeGreaterThan(result.cleanLoss);
  });

  // Position embeddings that are added to what has them already.
  test("sees the same sample in the perturbed forward but for δ", async () => {
    const regularizer = { ...ratStep, epsilon: [0], klWeight: 0 };
    const result = await withTiny(name, { regularizer }, (trainer) =>
      trainer.trainStep(examplesOf(IDS), 1, 0),
    );
    expect(Math.abs(result.adversarialLoss - result.cleanLoss)).toBeLessThan(1e-12);
  });

  // A δ from gradients that an earlier step or micro-batch left.
  test("has δ from this step's gradient alone", async () => {
    const only = await withTiny(name, { regularizer: ratStep }, (trainer) =>
      trainer.trainStep(examplesOf(IDS), 2, 0),
    );
    const after = await withTiny(name, { regularizer: ratStep }, async (trainer) => {
      await trainer.trainStep([examplesOf([1, 2]), examplesOf([7, 8])], 1, 0);
      return trainer.trainStep(examplesOf(IDS), 2, 0);
    });
    expect(after).toEqual(only);
  });

  // Weights that come back from a perturbation by subtraction, or by a name that two of them have.
  test("has the same bits after a step that moves nothing", async () => {
    await withTiny(name, { regularizer: ratStep, precision: "fp32" }, async (trainer) => {
      const before = await weightsOf(trainer);
      for (let step = 1; step <= 3; step++) await trainer.trainStep(examplesOf(IDS), step, 0);
      expect(await weightsOf(trainer)).toEqual(before);
    });
  });
});

// 0 / 0 where there is no gradient, at the first step or at any other.
test("a gradient of zero gives no perturbation, and no NaN", async () => {
  const { textcnn } = tinyModels;
  const padding = textcnn?.paddingId ?? 0;
  const empty = packTexts([[padding], [padding]], Int32Array.of(0, 1));
  for (const scope of ["matrix", "example"] as const)
    for (const type of ["r-at", "fgm", "pgd", "freelb"] as const) {
      const forwards = type === "r-at" ? 2 : 1;
      const regularizer = {
        ...ratStep,
        type,
        forwards,
        scope,
        ascentSteps: 2,
        stepSize: 0.5,
        sparedTokens: Int32Array.of(padding),
      };
      const result = await withTiny("textcnn", { regularizer }, (trainer) =>
        trainer.trainStep(empty, 1, 0.1),
      );
      expect(result.deltaNorm, `${type} by ${scope}`).toBe(0);
      expect(result.skippedPerturbations).toBeGreaterThan(0);
      for (const value of Object.values(result)) expect(Number.isFinite(value)).toBe(true);
    }
});

// A divergence that is summed where a mean is meant: its weight grows with the batch.
test("the same examples twice have the same divergence, and summed twice as much", async () => {
  const klLoss = (klReduction: "batch-mean" | "sum" | "element-mean", times: number) => {
    const regularizer = { ...ratStep, epsilon: [0.5, 2], klReduction };
    const batches = Array.from({ length: times }, () => examplesOf(IDS));
    return withTiny(
      "bert",
      { regularizer },
      async (trainer) => (await trainer.trainStep(batches, 1, 0)).klLoss,
    );
  };
  for (const reduction of ["batch-mean", "element-mean"] as const)
    expect(await klLoss(reduction, 2)).toBeCloseTo(await klLoss(reduction, 1), 12);
  expect(await klLoss("sum", 2)).toBeCloseTo(2 * (await klLoss("sum", 1)), 12);
});
