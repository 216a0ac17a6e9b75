/**
 * Steps whose values nobody reads: the host never learns in time that one was not finite, so the device itself must stop
 * there. Weights and moments stay as they were before it, whatever follows, and the next call that reads says so.
 */
import { expect, test } from "vitest";
import type {
  NativeOptimizerOptions,
  NativeRegularizerOptions,
  NativeTrainer,
} from "#dist/native/binding.js";
import { describeOnGpu, sample } from "../support/gpu.js";
import { examplesOf, modelNames, stateOf, weightsOf, withTiny } from "../support/tiny-models.js";

const regularizer = {
  ...{ type: "r-at", forwards: 2, epsilon: [0.5], klWeight: 1 },
  ...{ cleanDropout: 0.3, forwardDropout: [0.3] },
} as const satisfies Partial<NativeRegularizerOptions>;
const kinds = ["adamw", "bertadam", "sgd"] as const;
const cases = modelNames.flatMap((model) => kinds.map((type) => [model, type] as const));
const unread = { read: false } as const;

const batchOf = (step: number) => examplesOf([1, 2, 3, 4].map((id) => id + step));

function onGpu<T>(
  model: string,
  type: NativeOptimizerOptions["type"],
  use: (trainer: NativeTrainer) => Promise<T>,
) {
  const optimizer = { type, weightDecay: 0.1, clipNorm: 1 };
  return withTiny(model, { regularizer, optimizer, device: "cuda:0", precision: "fp32" }, use);
}

describeOnGpu("a step that is not read", () => {
  test.each(sample(cases, 5))("of %s by %s does what a read one does", async (model, type) => {
    const [quiet, loud] = [unread, { read: true }].map((options) =>
      onGpu(model, type, async (trainer) => {
        const steps = [1, 2, 3].map((step) => trainer.trainStep(batchOf(step), step, 0.05, options));
        const results = await Promise.all(steps);
        const last = await trainer.trainStep(batchOf(4), 4, 0.05);
        return { results, last, state: await stateOf(trainer, type) };
      }),
    );
    expect((await quiet)?.results).toEqual([null, null, null]);
    expect((await quiet)?.last).toEqual((await loud)?.last);
    expect((await quiet)?.state).toEqual((await loud)?.state);
  });

  test.each(sample(cases, 5))(
    "of %s by %s and is not finite changes nothing, nor do those behind it",
    async (model, type) => {
      await onGpu(model, type, async (trainer) => {
        await trainer.trainStep(batchOf(1), 1, 0.05);
        // One weight becomes too large for what follows; the step that makes it so is still finite.
        await trainer.trainStep(batchOf(2), 2, 1e30, unread);
        const before = await stateOf(trainer, type);
        for (const step of [3, 4, 5]) await trainer.trainStep(batchOf(step), step, 0.05, unread);
        await expect(weightsOf(trainer)).rejects.toMatchObject({
          code: "ERR_RAT_NON_FINITE",
          message: expect.stringMatching(/Step 3: .*nothing was updated/),
        });
        // It was said once; what the weights are is the caller's to decide now.
        expect(await stateOf(trainer, type)).toEqual(before);
        await expect(trainer.trainStep(batchOf(3), 3, 0.05)).rejects.toMatchObject({
          code: "ERR_RAT_NON_FINITE",
        });
        expect(await stateOf(trainer, type)).toEqual(before);
      });
    },
  );

  test("counts its missing perturbations for the next one that is read", async () => {
    await onGpu("textcnn", "sgd", async (trainer) => {
      // A learning rate of 0 keeps the weights; a batch of padding alone has no gradient of the embeddings.
      const padding = { ...batchOf(1), tokens: batchOf(1).tokens.map(() => 0) };
      for (const step of [1, 2]) await trainer.trainStep(padding, step, 0, unread);
      expect((await trainer.trainStep(padding, 3, 0)).skippedPerturbations).toBe(3);
      expect((await trainer.trainStep(batchOf(1), 4, 0)).skippedPerturbations).toBe(0);
    });
  });
});
