/** Encoders that compute their layers again to go back (Encoder::forward) take the same steps: the masks are the same. */
import { describe, expect, test } from "vitest";
import type { NativeStepResult } from "#dist/native/binding.js";
import { methods } from "../support/methods.js";
import { expectNear } from "../support/numbers.js";
import { examplesOf, type TinyOptions, tinyModels, weightsOf, withTiny } from "../support/tiny-models.js";

const ENCODERS = ["bert", "roberta", "albert", "distilbert", "electra"];

/** What two steps come to, the weights after them, and LibTorch's operators of the last. */
function train(name: string, recomputes: boolean, options: TinyOptions) {
  const { encoder } = tinyModels[name] ?? {};
  if (!encoder) throw new Error(`${name} is no encoder`);
  const all = { ...options, profile: true, model: { encoder: { ...encoder, recomputes } } };
  return withTiny(name, all, async (trainer) => {
    const values: number[] = [];
    let operators = 0;
    for (const step of [1, 2]) {
      const batch = examplesOf([3, 14, 15, 9, 26].map((id) => id + step));
      const result: NativeStepResult = await trainer.trainStep(batch, step, 0.05);
      values.push(result.loss, result.klLoss, result.deltaNorm, result.gradNorm);
      operators = result.profile?.operators ?? 0;
    }
    for (const of of (await weightsOf(trainer)).values()) values.push(...of);
    return { values, operators };
  });
}

describe.each(ENCODERS)("%s", (name) => {
  test.each(Object.entries(methods))("with %s, but for the order of sums", async (_, regularizer) => {
    for (const [precision, tolerance] of [
      ["fp64", 1e-12],
      ["bf16", 2e-2],
    ] as const) {
      const options = { regularizer, precision };
      const [again, kept] = [await train(name, true, options), await train(name, false, options)];
      expectNear(again.values, kept.values, tolerance, (i) => `${precision}: ${i}`);
      expect(again.operators).toBeGreaterThan(kept.operators);
    }
  });
});
