/** What is measured of a model: against what a small perturbation does to the loss, and what must hold whatever the numbers. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type NativeDiagnostics, native } from "#dist/native/binding.js";
import type { TaskKind } from "#dist/targets/index.js";
import { firstBatch, parityWeights, trainerOptions } from "../support/parity.js";
import { examplesOf, modelNames, type TinyOptions, weightsOf, withTiny } from "../support/tiny-models.js";

const IDS = [2, 5, 7, 10, 3, 12];
const KINDS: readonly TaskKind[] = ["classification", "regression", "multilabel"];
const FIELDS = ["inputGradientNorm", "submodelDivergence", "averagingGap"] as const;

const measure = (name: string, options: TinyOptions, ids = IDS, submodels = 4): Promise<NativeDiagnostics> =>
  withTiny(name, options, (trainer) => trainer.diagnose(examplesOf(ids, options.kind), submodels));
const dropping = (rate: number) => ({ regularizer: { type: "none", cleanDropout: rate } }) as const;

describe.each(modelNames)("%s", (name) => {
  test.each(KINDS)("of a %s: the loss rises as steeply as the gradient is long", async (kind) => {
    const epsilon = 1e-6;
    const regularizer = { type: "fgm", epsilon: [epsilon], scope: "example" } as const;
    const { cleanLoss, adversarialLoss } = await withTiny(name, { kind, regularizer }, (trainer) =>
      trainer.trainStep(examplesOf(IDS, kind), 1, 0),
    );
    const { inputGradientNorm } = await measure(name, { kind });
    const slope = (IDS.length * (adversarialLoss - cleanLoss)) / epsilon;
    expect(Math.abs(inputGradientNorm - slope) / slope).toBeLessThan(1e-3);
  });

  test("sub-models are apart as far as dropout takes them, and the same at every call", async () => {
    const none = await measure(name, dropping(0));
    expect(none.submodelDivergence).toBeCloseTo(0, 12);
    expect(none.averagingGap).toBeCloseTo(0, 12);
    const [little, much] = [await measure(name, dropping(0.05)), await measure(name, dropping(0.6))];
    for (const field of ["submodelDivergence", "averagingGap"] as const) {
      expect(little[field]).toBeGreaterThan(0);
      expect(much[field]).toBeGreaterThan(little[field]);
    }
    expect(much.averagingGap).toBeLessThan(IDS.length);
    expect(await measure(name, dropping(0.6))).toEqual(much);
  });

  test("a batch is the sum of its parts", async () => {
    const parts = [
      await measure(name, dropping(0.3), IDS.slice(0, 2)),
      await measure(name, dropping(0.3), IDS.slice(2)),
    ];
    const whole = await measure(name, dropping(0.3));
    for (const field of FIELDS)
      expect(parts.reduce((sum, part) => sum + part[field], 0)).toBeCloseTo(whole[field], 10);
  });
});

test.each(["classification", "regression"] as const)("of a %s: what plain PyTorch measures", async (kind) => {
  const file = join(import.meta.dirname, "../reference/fixtures/diagnostics.json");
  const { rate, submodels, sums } = JSON.parse(readFileSync(file, "utf8")) as {
    rate: number;
    submodels: number;
    sums: Record<typeof kind, NativeDiagnostics>;
  };
  const options = trainerOptions(
    {
      ...{ model: "textcnn", kind, optimizer: { type: "sgd", weightDecay: 0, clipNorm: 0 } },
      regularizer: { type: "none", forwards: 1, epsilon: [0], klWeight: 0, klReduction: "batch-mean" },
    },
    "cpu",
    "fp64",
  );
  const regularizer = options.regularizer && { ...options.regularizer, cleanDropout: rate };
  const trainer = new (native().Trainer)({ ...options, ...(regularizer && { regularizer }) });
  try {
    await trainer.load("model", parityWeights("textcnn", kind));
    const measured = await trainer.diagnose(firstBatch(kind), submodels);
    for (const field of FIELDS) expect(measured[field] / sums[kind][field]).toBeCloseTo(1, 9);
  } finally {
    await trainer.dispose();
  }
});

test("nothing of the training changes", async () => {
  const train = (measures: boolean) =>
    withTiny(
      "bert",
      { regularizer: { type: "r-at", forwards: 2, epsilon: [1], cleanDropout: 0.3, forwardDropout: [0.3] } },
      async (trainer) => {
        for (let step = 1; step <= 3; step++) {
          await trainer.trainStep(examplesOf(IDS), step, 0.1);
          if (measures) await trainer.diagnose(examplesOf([1, 2, 3]), 3);
        }
        return weightsOf(trainer);
      },
    );
  expect(await train(true)).toEqual(await train(false));
});

test.each([1, 9, 2.5])("bad call - %d sub-models", async (submodels) => {
  await withTiny("textcnn", {}, async (trainer) => {
    await expect(trainer.diagnose(examplesOf([1]), submodels)).rejects.toMatchObject({
      code: "ERR_RAT_INVALID_ARG",
    });
    const { labels: _, ...unlabelled } = examplesOf([1]);
    await expect(trainer.diagnose(unlabelled, 2)).rejects.toMatchObject({ code: "ERR_RAT_LABEL" });
  });
});
