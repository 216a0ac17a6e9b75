/**
 * A step in parts is the same step: one perturbation from the gradient of all of them, means over all their examples, one
 * update. With dropout on, for every model, method and optimizer; what divides by the size of a part, or takes δ from one part
 * alone, shows in the first digits.
 */
import { describe, expect, test } from "vitest";
import type { NativeStepResult, PackedBatch } from "#dist/native/binding.js";
import { methods } from "../support/methods.js";
import { expectNear } from "../support/numbers.js";
import { examplesOf, modelNames, type TinyOptions, weightsOf, withTiny } from "../support/tiny-models.js";

const IDS = [3, 14, 15, 9, 26, 5, 8];
/** In fp32 one: what rounds differently in the first is another model later. */
const STEPS = { fp64: 2, fp32: 1 } as const;
/** Sizes of the parts of a step. */
const PARTS = { fp64: [[1, 6], IDS.map(() => 1)], fp32: [[3, 2, 2]] } as const;
const TOLERANCES = { fp64: 1e-12, fp32: 2e-5 } as const;
/** Where in fp32 the whole step itself is 4e-5 from the one in fp64. */
const ILL_CONDITIONED = new Set(["bert freelb"]);
const FIELDS = [
  "loss",
  "cleanLoss",
  "adversarialLoss",
  "klLoss",
  "bregmanLoss",
  "deltaNorm",
  "gradNorm",
] as const;

/** The examples of a step in parts of these sizes. */
function divided(step: number, sizes: readonly number[], kind: TinyOptions["kind"]): PackedBatch[] {
  const ids = IDS.map((id) => id + step);
  let first = 0;
  return sizes.map((size) => {
    first += size;
    return examplesOf(ids.slice(first - size, first), kind);
  });
}

/** Results and final weights of some steps. */
function train(
  name: string,
  sizes: readonly number[],
  options: TinyOptions & { precision?: keyof typeof STEPS },
) {
  return withTiny(name, options, async (trainer) => {
    const results: NativeStepResult[] = [];
    for (let step = 1; step <= STEPS[options.precision ?? "fp64"]; step++)
      results.push(await trainer.trainStep(divided(step, sizes, options.kind), step, 0.05));
    return { results, weights: await weightsOf(trainer) };
  });
}

type Trained = Awaited<ReturnType<typeof train>>;

function expectSame(actual: Trained, expected: Trained, tolerance: number): void {
  for (const [i, result] of actual.results.entries())
    for (const field of FIELDS) {
      const value = expected.results[i]?.[field] ?? Number.NaN;
      expect(Math.abs(result[field] - value), `step ${i + 1}: ${field}`).toBeLessThan(
        tolerance * Math.max(1, Math.abs(value)),
      );
    }
  for (const [name, values] of expected.weights)
    expectNear(actual.weights.get(name), values, tolerance, (i) => `${name}[${i}]`);
}

describe.each(modelNames)("%s", (name) => {
  describe.each(Object.entries(methods))("%s", (method, regularizer) => {
    test.each(["fp64", "fp32"] as const)("is the same in parts in %s", async (precision) => {
      const options = {
        regularizer,
        precision,
        optimizer: { type: "sgd", weightDecay: 0.1, clipNorm: 1 },
      } as const;
      const whole = await train(name, [IDS.length], options);
      const isRough = precision === "fp32" && ILL_CONDITIONED.has(`${name} ${method}`);
      const tolerance = isRough ? 5e-5 : TOLERANCES[precision];
      for (const sizes of PARTS[precision]) expectSame(await train(name, sizes, options), whole, tolerance);
    });
  });
});

describe.each(Object.entries(methods))("shared by processes, with %s", (_, regularizer) => {
  // What each sums up is summed up between them where δ begins and before the update: as if it were one list.
  test("a step is that of all their batches", async () => {
    const batches = divided(0, [3, 4], "classification");
    const optimizer = { type: "sgd", weightDecay: 0.1, clipNorm: 1 } as const;
    const whole = await withTiny("bert", { regularizer, optimizer }, async (trainer) => {
      const result = await trainer.trainStep([...batches, ...batches, ...batches], 1, 0.05);
      return { results: [result], weights: await weightsOf(trainer) };
    });
    const shared = await withTiny("bert", { regularizer, optimizer, replicas: 3 }, async (trainer) => {
      const result = await trainer.trainStep(batches, 1, 0.05, { examples: 3 * IDS.length });
      return { results: [result], weights: await weightsOf(trainer) };
    });
    expectSame(shared, whole, 1e-12);
  });
});

describe("one model", () => {
  test.each(
    Object.entries(methods).flatMap(([name, regularizer]) =>
      (["regression", "multilabel"] as const).map((kind) => [kind, name, regularizer] as const),
    ),
  )("of a %s with %s is the same in parts", async (kind, _, regularizer) => {
    const options = { regularizer, kind } as const;
    const whole = await train("textcnn", [IDS.length], options);
    for (const sizes of PARTS.fp64) expectSame(await train("textcnn", sizes, options), whole, 1e-12);
  });

  test.each(["adamw", "bertadam"] as const)("trained by %s is the same in parts", async (type) => {
    const options = {
      regularizer: methods["r-at"] ?? {},
      optimizer: { type, weightDecay: 0.1, clipNorm: 1 },
    };
    const whole = await train("bert", [IDS.length], options);
    // Adam divides by the size of a gradient: where one is all but zero, rounding is all there is.
    for (const sizes of PARTS.fp64) expectSame(await train("bert", sizes, options), whole, 1e-6);
  });

  test("takes a batch that no list is around as a list of one, bit for bit", async () => {
    const step = (batches: PackedBatch | PackedBatch[]) =>
      withTiny("bert", { regularizer: methods["r-at"] ?? {} }, (trainer) =>
        trainer.trainStep(batches, 1, 0.1),
      );
    expect(await step(examplesOf(IDS))).toEqual(await step([examplesOf(IDS)]));
  });

  test("says that a step needs a batch, and takes the next one", async () => {
    await withTiny("textcnn", {}, async (trainer) => {
      await expect(trainer.trainStep([], 1, 0.1)).rejects.toMatchObject({ code: "ERR_RAT_INVALID_ARG" });
      const [sound] = divided(0, [IDS.length], "classification");
      const broken = { ...examplesOf([1]), labels: Int32Array.of(99) };
      const failing = trainer.trainStep([sound ?? broken, broken], 1, 0.1);
      await expect(failing).rejects.toMatchObject({ code: "ERR_RAT_LABEL" });
      expect((await trainer.trainStep(examplesOf(IDS), 1, 0.1)).loss).toBeGreaterThan(0);
    });
  });
});
