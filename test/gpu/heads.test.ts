/** Heads of every kernel of attention: tensor cores have widths of their own, and what is too wide for all is padded. */
import { expect, test } from "vitest";
import { describeOnGpu } from "../support/gpu.js";
import { examplesOf, type TinyOptions, tinyModels, withTiny } from "../support/tiny-models.js";

const MODEL = "bert";
const FIELDS = ["loss", "cleanLoss", "adversarialLoss", "klLoss", "gradNorm"] as const;

/** A step of a BERT with two heads, its masks in attention too. */
function stepOf(headWidth: number, precision: "bf16" | "fp64", device: string) {
  const width = 2 * headWidth,
    encoder = tinyModels[MODEL]?.encoder;
  if (!encoder) throw new Error(`${MODEL} is no encoder`);
  const options: TinyOptions = {
    // As wide models are drawn: larger weights make of a rounding in bf16 another model.
    model: { hiddenSize: width, embeddingSize: width, encoder: { ...encoder, initializerRange: 0.05 } },
    regularizer: {
      ...{ type: "r-at", forwards: 2, epsilon: [0.5], klWeight: 1 },
      ...{ cleanDropout: 0.3, forwardDropout: [0.3, 0.1] },
    },
  };
  return withTiny(MODEL, { ...options, precision, device }, (trainer) =>
    trainer.trainStep(examplesOf([3, 14, 15, 9, 26, 5]), 3, 0),
  );
}

describeOnGpu("attention with heads of", () => {
  test.each([
    [32, "bf16", 3e-2],
    [64, "bf16", 3e-2],
    [128, "bf16", 3e-2],
    [40, "bf16", 3e-2],
    [136, "fp64", 1e-9],
  ] as const)("%i elements in %s is the CPU's", async (headWidth, precision, tolerance) => {
    const [gpu, cpu] = [
      await stepOf(headWidth, precision, "cuda:0"),
      await stepOf(headWidth, precision, "cpu"),
    ];
    for (const field of FIELDS)
      expect(Math.abs(gpu[field] - cpu[field]) / Math.max(1, Math.abs(cpu[field])), field).toBeLessThan(
        tolerance,
      );
  });
});
