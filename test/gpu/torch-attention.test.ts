/**
 * LibTorch's attention in place of our own, FlashAttention in bf16 and memory-efficient attention in fp32: the same function, masks
 * by its generator, and where it cannot be had.
 */
import { expect, test } from "vitest";
import { describeOnGpu } from "../support/gpu.js";
import { examplesOf, type TinyOptions, tinyModels, withTiny } from "../support/tiny-models.js";

const MODEL = "bert";
const BATCH = examplesOf([3, 14, 15, 9, 26, 5]);
const FIELDS = ["loss", "cleanLoss", "adversarialLoss", "klLoss", "gradNorm"] as const;

function optionsOf(
  rates: readonly [number, number, number],
  headWidth = 32,
  precision: "bf16" | "fp32" = "bf16",
  seed = 5,
): TinyOptions {
  const width = 2 * headWidth;
  const encoder = tinyModels[MODEL]?.encoder;
  if (!encoder) throw new Error(`${MODEL} is no encoder`);
  const [cleanDropout, ...forwardDropout] = rates;
  return {
    model: {
      ...{ hiddenSize: width, embeddingSize: width },
      encoder: { ...encoder, initializerRange: 0.05, takesTorchAttention: true },
    },
    regularizer: { type: "r-at", forwards: 2, epsilon: [0.5], klWeight: 1, cleanDropout, forwardDropout },
    ...{ precision, device: "cuda:0", seed },
  };
}

/** Losses of steps at a learning rate of 0. */
const lossesOf = (options: TinyOptions, steps: readonly number[]) =>
  withTiny(MODEL, options, async (trainer) => {
    const losses: number[] = [];
    for (const step of steps) losses.push((await trainer.trainStep(BATCH, step, 0)).loss);
    return losses;
  });

describeOnGpu("LibTorch's attention", () => {
  test.each([
    ["bf16", 8, 3e-2],
    ["bf16", 32, 3e-2],
    ["bf16", 64, 3e-2],
    ["bf16", 136, 3e-2],
    ["fp32", 4, 1e-4],
    ["fp32", 32, 1e-4],
    ["fp32", 136, 1e-4],
  ] as const)(
    "in %s with heads of %i elements and no dropout is our own",
    async (precision, headWidth, tolerance) => {
      const options = optionsOf([0, 0, 0], headWidth, precision);
      const { encoder } = options.model ?? {};
      if (!encoder) throw new Error("no encoder");
      const ours: TinyOptions = {
        ...options,
        model: { ...options.model, encoder: { ...encoder, takesTorchAttention: false } },
        ...{ precision: "fp64", device: "cpu" },
      };
      const run = (each: TinyOptions) =>
        withTiny(MODEL, each, async (trainer) => ({
          logits: await trainer.predict(BATCH),
          result: await trainer.trainStep(BATCH, 3, 0.1),
          after: await trainer.predict(BATCH),
        }));
      const [theirs, exact] = [await run(options), await run(ours)];
      for (const field of FIELDS)
        expect(Math.abs(theirs.result[field] - exact.result[field]), field).toBeLessThan(
          tolerance * Math.max(1, Math.abs(exact.result[field])),
        );
      for (const name of ["logits", "after"] as const)
        for (const [i, value] of exact[name].entries())
          expect(Math.abs((theirs[name][i] ?? Number.NaN) - value), `${name} ${i}`).toBeLessThan(tolerance);
    },
  );

  test.each(["bf16", "fp32"] as const)("in %s has masks that seed and step name", async (precision) => {
    for (const rates of [[0.3, 0.3, 0.3] as const, [0.1, 0.3, 0.2] as const]) {
      const options = optionsOf(rates, 32, precision);
      const [first, again, second] = await lossesOf(options, [1, 1, 2]);
      expect(again).toBe(first);
      expect(second).not.toBe(first);
      expect(await lossesOf(options, [2, 1])).toEqual([second, first]);
      expect(await lossesOf(optionsOf(rates, 32, precision, 6), [1])).not.toEqual([first]);
    }
  });

  test("bad call - in fp64, with heads that kernels do not read, and with recomputation it cannot be had", async () => {
    const options = optionsOf([0, 0, 0]);
    const { encoder } = options.model ?? {};
    if (!encoder) throw new Error("no encoder");
    const recomputing = {
      ...options,
      model: { ...options.model, encoder: { ...encoder, recomputes: true } },
    };
    for (const [wrong, message] of [
      [{ ...options, precision: "fp64" }, /needs a GPU, and fp32, or bf16/],
      [optionsOf([0, 0, 0], 4), /a multiple of 8/],
      [optionsOf([0, 0, 0], 6, "fp32"), /a multiple of 4/],
      [recomputing, /recompute makes a forward again/],
    ] as const) {
      const refused = { code: "ERR_RAT_CONFIG", message: expect.stringMatching(message) };
      await expect(
        (async () => withTiny(MODEL, wrong, (trainer) => trainer.parameters()))(),
      ).rejects.toMatchObject(refused);
    }
  });
});
