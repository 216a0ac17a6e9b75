/** Encoders beside transformers, from the same folders: outputs, every gradient, ten steps of every method, bf16. */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  encoderCases,
  encoderModels,
  expectBf16,
  expectEncoderParity,
  folderOf,
  gradientsOf,
  logitsOf,
} from "../support/encoders.js";
import { expectNear } from "../support/numbers.js";
import { readSafetensors } from "../support/safetensors.js";

describe.each(encoderModels)("%s", (_, model) => {
  test.each([
    ["fp64", 1e-12],
    ["fp32", 1e-5],
  ] as const)("has the outputs of transformers in %s", async (precision, tolerance) => {
    const logits = await logitsOf(model, { precision });
    for (const [i, expected] of model.logits.flat().entries())
      expect(Math.abs((logits[i] ?? Number.NaN) - expected), `output ${i}`).toBeLessThan(tolerance);
  });

  test("has every gradient of transformers", async () => {
    const expected = readSafetensors(join(folderOf(model), "gradients.safetensors"));
    const gradients = await gradientsOf(model, { precision: "fp64" });
    expect([...gradients.keys()].sort()).toEqual([...expected.keys()].sort());
    for (const [name, values] of expected)
      expectNear(gradients.get(name), values, 1e-9, (i) => `${name}[${i}]`);
  });

  test("is off by no more than twice what PyTorch is in bf16", () => expectBf16(model, "cpu"));
});

describe.each(["fp32", "fp64"] as const)("ten steps in %s", (precision) => {
  test.each(encoderCases)("%s", (_, c) => expectEncoderParity(c, "cpu", precision));
});
