/** Encoders beside transformers, from the same folders: outputs, every gradient, ten steps of every method, bf16. */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  type EncoderModel,
  encoderBatches,
  encoderCases,
  encoderModels,
  expectEncoderParity,
  folderOf,
  packEncoderBatch,
  withEncoder,
  withSaved,
} from "../support/encoders.js";
import { readSafetensors } from "../support/safetensors.js";

function firstBatch({ family, kind }: EncoderModel) {
  const batch = encoderBatches[kind][0];
  if (!batch) throw new Error("there is no batch");
  return packEncoderBatch(batch, family, kind);
}

/** Of all batches, one after the other. */
function logitsOf(model: EncoderModel, precision: "fp64" | "fp32" | "bf16"): Promise<number[]> {
  return withEncoder(folderOf(model), { precision }, async (trainer) => {
    const logits: number[] = [];
    for (const batch of encoderBatches[model.kind])
      logits.push(...(await trainer.predict(packEncoderBatch(batch, model.family, model.kind))));
    return logits;
  });
}

/** ‖values − expected‖ / ‖expected‖ */
function relativeError(values: ArrayLike<number>, expected: ArrayLike<number>): number {
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < expected.length; i++) {
    difference += ((values[i] ?? Number.NaN) - (expected[i] ?? 0)) ** 2;
    norm += (expected[i] ?? 0) ** 2;
  }
  return Math.sqrt(difference / norm);
}

/** All gradients of the first batch, as a step of plain SGD at rate 1 leaves them in the weights. */
async function gradientsOf(model: EncoderModel, precision: "fp64" | "bf16"): Promise<Map<string, number[]>> {
  const before = readSafetensors(join(folderOf(model), "model.safetensors"));
  return withEncoder(folderOf(model), { precision }, async (trainer) => {
    await trainer.trainStep(firstBatch(model), 1, 1);
    return withSaved(trainer, (path) => {
      const after = readSafetensors(path);
      return new Map(
        [...after].map(([name, values]) => [
          name,
          [...values].map((v, i) => (before.get(name)?.[i] ?? 0) - v),
        ]),
      );
    });
  });
}

describe.each(encoderModels)("%s", (_, model) => {
  test.each([
    ["fp64", 1e-12],
    ["fp32", 1e-5],
  ] as const)("has the outputs of transformers in %s", async (precision, tolerance) => {
    const logits = await logitsOf(model, precision);
    for (const [i, expected] of model.logits.flat().entries())
      expect(Math.abs((logits[i] ?? Number.NaN) - expected), `output ${i}`).toBeLessThan(tolerance);
  });

  test("has every gradient of transformers", async () => {
    const expected = readSafetensors(join(folderOf(model), "gradients.safetensors"));
    const gradients = await gradientsOf(model, "fp64");
    expect([...gradients.keys()].sort()).toEqual([...expected.keys()].sort());
    for (const [name, values] of expected)
      for (const [i, value] of values.entries())
        expect(Math.abs((gradients.get(name)?.[i] ?? Number.NaN) - value), `${name}[${i}]`).toBeLessThan(
          1e-9,
        );
  });

  test("is off by no more than twice what PyTorch is in bf16", async () => {
    const logits = await logitsOf(model, "bf16");
    expect(relativeError(logits, model.logits.flat())).toBeLessThan(2 * model.bf16.logits);
    const expected = readSafetensors(join(folderOf(model), "gradients.safetensors"));
    const gradients = await gradientsOf(model, "bf16");
    const names = [...expected.keys()];
    const error = relativeError(
      names.flatMap((name) => gradients.get(name) ?? []),
      names.flatMap((name) => [...(expected.get(name) ?? [])]),
    );
    expect(error).toBeGreaterThan(1e-5);
    expect(error).toBeLessThan(2 * model.bf16.gradients);
  });
});

describe.each(["fp32", "fp64"] as const)("ten steps in %s", (precision) => {
  test.each(encoderCases)("%s", (_, c) => expectEncoderParity(c, "cpu", precision));
});
