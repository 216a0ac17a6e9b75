/**
 * Several threads take parts of a batch through the whole model side by side (native/core/lanes.h). The step is the same as on
 * one thread, with dropout on; a lane that fails fails the step; the same number of threads makes the same bits.
 */
import { describe, expect, test } from "vitest";
import { type NativeStepResult, native } from "#dist/native/binding.js";
import { methods } from "../support/methods.js";
import { isSanitized } from "../support/sanitizer.js";
import { examplesOf, modelNames, tinyModels, weightsOf, withTiny } from "../support/tiny-models.js";

/** Enough tokens for four lanes. */
const IDS = Array.from({ length: 64 }, (_, i) => 3 + i);
const BATCH = examplesOf(IDS);

interface Trained {
  readonly losses: NativeStepResult;
  readonly weights: ReadonlyMap<string, ArrayLike<number>>;
  readonly logits: ArrayLike<number>;
}

/** Two steps, the second of a large batch and a tiny one; then what the model says. */
function train(
  name: string,
  method: string,
  threads: number,
  precision: "fp32" | "fp64" = "fp64",
): Promise<Trained> {
  const optimizer = { type: "sgd", weightDecay: 0.1, clipNorm: 1 } as const;
  return withTiny(
    name,
    { regularizer: methods[method] ?? {}, optimizer, threads, precision },
    async (trainer) => {
      await trainer.trainStep([BATCH], 1, 0.05);
      const losses = await trainer.trainStep([BATCH, examplesOf([7])], 2, 0.05);
      return { losses, weights: await weightsOf(trainer), logits: await trainer.predict(BATCH) };
    },
  );
}

function expectSame(actual: Trained, expected: Trained, tolerance: number): void {
  const close = (a: number | undefined, b: number, what: string) =>
    expect(Math.abs((a ?? Number.NaN) - b), what).toBeLessThan(tolerance * Math.max(1, Math.abs(b)));
  for (const field of ["loss", "klLoss", "bregmanLoss", "deltaNorm", "gradNorm"] as const)
    close(actual.losses[field], expected.losses[field], field);
  for (const [name, values] of expected.weights)
    for (let i = 0; i < values.length; i++)
      close(actual.weights.get(name)?.[i], values[i] ?? Number.NaN, `${name}[${i}]`);
  for (let i = 0; i < expected.logits.length; i++)
    close(actual.logits[i], expected.logits[i] ?? Number.NaN, `logits[${i}]`);
}

describe.each(modelNames)("%s", (name) => {
  test.each(Object.keys(methods))("with %s: four threads make the step that one makes", async (method) => {
    // An ascent divides by the norm of a small gradient, step by step, and magnifies what is rounded.
    const tolerance = method.startsWith("pgd") ? 1e-9 : 1e-10;
    expectSame(await train(name, method, 4), await train(name, method, 1), tolerance);
  });

  test("three threads too, and each number of threads the same bits again, in fp32", async () => {
    const three = await train(name, "r-at", 3, "fp32");
    expectSame(three, await train(name, "r-at", 1, "fp32"), 2e-4);
    expect(await train(name, "r-at", 3, "fp32")).toEqual(three);
  });
});

describe("a lane that fails", () => {
  const options = { regularizer: methods["r-at"] ?? {}, threads: 4 };

  test.skipIf(isSanitized)("fails the step, which leaves the weights and can be made again", async () => {
    const whole = await withTiny("bert", options, async (trainer) => {
      await trainer.trainStep([BATCH], 1, 0.05);
      return weightsOf(trainer);
    });
    let failures = 0;
    for (let request = 40; request < 1500; request += 97)
      await withTiny("bert", options, async (trainer) => {
        const before = await weightsOf(trainer);
        native().failAllocation(request);
        const failed = await trainer.trainStep([BATCH], 1, 0.05).then(
          () => false,
          (error: unknown) => {
            expect(error).toMatchObject({ code: "ERR_RAT_HOST_OOM" });
            return true;
          },
        );
        native().failAllocation(0);
        if (!failed) return;
        failures++;
        expect(await weightsOf(trainer)).toEqual(before);
        await trainer.trainStep([BATCH], 1, 0.05);
        expect(await weightsOf(trainer)).toEqual(whole);
      });
    expect(failures).toBeGreaterThan(5);
  });
});

test("threads without a lane take parts of large products: a few texts have the same bits on any number of them", async () => {
  const { bert } = tinyModels;
  if (!bert?.encoder) throw new Error("bert is no encoder");
  const model = {
    ...{ hiddenSize: 256, embeddingSize: 256 },
    encoder: { ...bert.encoder, heads: 4, intermediateSize: 1024, initializerRange: 0.05 },
  };
  const few = examplesOf([3, 14, 15, 9, 26, 5, 35, 8]);
  const run = (threads: number) =>
    withTiny("bert", { model, threads, precision: "fp32" }, async (trainer) => {
      const logits = await Promise.all([1, 2, 3].map(() => trainer.predict(few)));
      return { logits, loss: (await trainer.trainStep(few, 1, 0.1)).loss, after: await trainer.predict(few) };
    });
  const one = await run(1);
  for (const threads of [2, 5]) expect(await run(threads)).toEqual(one);
});
