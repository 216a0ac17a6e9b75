/** The same seed is the same run on a GPU, bit for bit, and on every GPU of the machine; the CPU differs by rounding. */
import { expect, test } from "vitest";
import type { NativeRegularizerOptions } from "#dist/native/binding.js";
import { describeOnGpu, gpuCount, sample } from "../support/gpu.js";
import { expectNear } from "../support/numbers.js";
import { examplesOf, modelNames, tinyModels, weightsOf, withTiny } from "../support/tiny-models.js";

const methods: Record<string, Partial<NativeRegularizerOptions>> = {
  none: { type: "none", cleanDropout: 0.3 },
  fgm: { type: "fgm", epsilon: [0.5], cleanDropout: 0.3, forwardDropout: [0.3] },
  "r-drop": { type: "r-drop", forwards: 2, klWeight: 1, forwardDropout: [0.3, 0.3] },
  "r-at": {
    ...{ type: "r-at", forwards: 2, epsilon: [0.5, 1], klWeight: 1 },
    ...{ cleanDropout: 0.3, forwardDropout: [0.3, 0.1] },
  },
};
const cases = modelNames.flatMap((model) => Object.keys(methods).map((method) => [model, method] as const));

/** All weights after three steps, with dropout, of batches in which tokens and lengths repeat. */
async function weightsAfter(model: string, method: string, device: string, precision: "fp32" | "fp64") {
  const regularizer = methods[method];
  if (!regularizer) throw new Error(`there is no method ${method}`);
  const optimizer = { type: "adamw", weightDecay: 0.01, clipNorm: 1 } as const;
  return withTiny(model, { regularizer, optimizer, device, precision }, async (trainer) => {
    const reads = (tinyModels[model]?.encoder?.tokenTypes ?? 0) > 1;
    for (const step of [1, 2, 3]) {
      const batch = examplesOf(Array.from({ length: 24 }, (_, i) => step * 100 + i));
      const tokenTypes = Uint8Array.from(batch.tokens, (_, i) => i % 2);
      await trainer.trainStep(reads ? { ...batch, tokenTypes } : batch, step, 0.01);
    }
    return weightsOf(trainer);
  });
}

describeOnGpu("the same seed", () => {
  test.each(sample(cases, 5))("of %s with %s is the same run", async (model, method) => {
    const first = await weightsAfter(model, method, "cuda:0", "fp32");
    expect(await weightsAfter(model, method, "cuda:0", "fp32")).toEqual(first);
  });

  test.each(sample(cases, 5))("of %s with %s has the CPU's masks", async (model, method) => {
    const [gpu, cpu] = [
      await weightsAfter(model, method, "cuda:0", "fp64"),
      await weightsAfter(model, method, "cpu", "fp64"),
    ];
    // AdamW divides a gradient that is zero but for rounding by itself.
    for (const [name, values] of cpu)
      if (!/key\.bias|k_lin\.bias/.test(name))
        expectNear(gpu.get(name), values, 1e-9, (i) => `${name}[${i}]`);
  });

  test.runIf(gpuCount > 1).each(sample(modelNames, 3))(
    "of %s is the same run on the second GPU",
    async (model) => {
      const first = await weightsAfter(model, "r-at", "cuda:0", "fp32");
      expect(await weightsAfter(model, "r-at", "cuda:1", "fp32")).toEqual(first);
    },
  );
});
