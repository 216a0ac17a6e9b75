/** Too little memory on a GPU: which batch did not fit and what would, and that everything goes on afterwards. */
import { afterEach, expect, test } from "vitest";
import { type NativeTrainer, native } from "#dist/native/binding.js";
import { describeOnGpu, gpuCount } from "../support/gpu.js";
import { type TinyOptions, tinyTrainer, weightsOf } from "../support/tiny-models.js";

const DEVICE = "cuda:0";
const regularizer = {
  ...{ type: "r-at", forwards: 2, epsilon: [0.5], klWeight: 1 },
  ...{ cleanDropout: 0.1, forwardDropout: [0.1] },
} as const satisfies TinyOptions["regularizer"];

/** Texts of six words. */
const texts = (count: number) => ({
  tokens: Int32Array.from({ length: 6 * count }, (_, i) => 1 + (i % 8)),
  sequenceStarts: Int32Array.from({ length: count + 1 }, (_, i) => 6 * i),
  exampleIds: Int32Array.from({ length: count }, (_, i) => i),
  labels: Int32Array.from({ length: count }, (_, i) => i % 3),
});
const step = (trainer: NativeTrainer, number: number, count: number) =>
  trainer.trainStep(texts(count), number, 0.05);

async function onGpu(model: string, use: (trainer: NativeTrainer) => Promise<void>) {
  const trainer = tinyTrainer(model, { regularizer, device: DEVICE, precision: "fp32" });
  try {
    await use(trainer);
  } finally {
    await trainer.dispose();
  }
}
const limit = (more?: number) => native().limitDeviceMemory(DEVICE, more);
afterEach(() => {
  if (gpuCount > 0) limit();
});

describeOnGpu("a GPU with too little memory", () => {
  test.each(["bert", "bilstm", "textcnn"])(
    "%s: names the batch that did not fit, and goes on with smaller ones as if nothing had been",
    async (model) => {
      let expected: Awaited<ReturnType<typeof weightsOf>> | undefined;
      await onGpu(model, async (trainer) => {
        for (const number of [1, 2, 3]) await step(trainer, number, 8);
        expected = await weightsOf(trainer);
      });
      await onGpu(model, async (trainer) => {
        await step(trainer, 1, 8);
        limit(1e6);
        const failing = step(trainer, 2, 4000);
        await expect(failing).rejects.toMatchObject({
          code: "ERR_RAT_DEVICE_OOM",
          message: expect.stringMatching(
            /^Out of memory on cuda:0, of which [\d.]+ [GM]B can be had: a step of 4000 examples with 24000 tokens, the longest of 6, does not fit beside .* MB of weights and moments\. By what a token took so far, about \d+ tokens would fit: try a `microBatchSize` of \d+, or a smaller `maxLength`$/,
          ),
        });
        const predicting = trainer.predict(texts(40_000));
        await expect(predicting).rejects.toMatchObject({
          code: "ERR_RAT_DEVICE_OOM",
          message: expect.stringContaining("a prediction of 40000 examples"),
        });
        for (const number of [2, 3]) await step(trainer, number, 8);
        expect(await weightsOf(trainer)).toEqual(expected);
      });
    },
  );

  test("a model that does not fit is an error, and the next one works", async () => {
    limit(1e6);
    const create = async () => {
      const trainer = tinyTrainer("textcnn", {
        ...{ regularizer, device: DEVICE, precision: "fp32" },
        model: { vocabularySize: 300_000 },
      });
      await trainer.parameters().finally(() => trainer.dispose());
    };
    await expect(create()).rejects.toMatchObject({ code: "ERR_RAT_DEVICE_OOM" });
    limit();
    await create();
  });
});
