/** The error paths of the arithmetic: what is not a number stops the step before anything is updated, and the trainer goes on. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { NativeTrainer } from "#dist/native/binding.js";
import { native } from "#dist/native/binding.js";
import { readSafetensors, writeSafetensors } from "../support/safetensors.js";
import {
  CLASSES,
  examplesOf,
  modelNames,
  NONE,
  packTexts,
  VOCABULARY,
  weightsOf,
  withTiny,
} from "../support/tiny-models.js";

const IDS = [3, 4, 8, 11];
const ratStep = {
  type: "r-at",
  forwards: 2,
  epsilon: [0.5],
  klWeight: 0.5,
  cleanDropout: 0.2,
  forwardDropout: [0.2],
} as const;
const adamw = { type: "adamw", weightDecay: 0.1, clipNorm: 1 } as const;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "rat-non-finite-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function shapesOf(trainer: NativeTrainer): Promise<Map<string, readonly number[]>> {
  return new Map((await trainer.parameters()).map(({ name, shape }) => [name, shape]));
}

async function momentsOf(trainer: NativeTrainer) {
  const path = join(folder, `moments-${Math.random()}.safetensors`);
  await trainer.save("optimizer", path, {});
  return readSafetensors(path);
}

describe.each(modelNames)("%s", (name) => {
  test.each([Number.NaN, Number.POSITIVE_INFINITY])(
    "a weight that is %f stops the step, and nothing is updated",
    async (value) => {
      await withTiny(name, { regularizer: ratStep, optimizer: adamw }, async (trainer) => {
        await trainer.trainStep(examplesOf(IDS), 1, 0.01);
        const good = await weightsOf(trainer);
        const shapes = await shapesOf(trainer);
        const last = [...good.keys()].at(-1) ?? "";
        const bad = new Map(good).set(
          last,
          (good.get(last) ?? new Float64Array()).map(() => value),
        );
        const [goodFile, badFile] = [
          join(folder, `${name}-good-${value}`),
          join(folder, `${name}-bad-${value}`),
        ];
        writeSafetensors(goodFile, good, shapes);
        writeSafetensors(badFile, bad, shapes);
        await trainer.load("model", badFile);
        const moments = await momentsOf(trainer);
        await expect(trainer.trainStep(examplesOf(IDS), 2, 0.01)).rejects.toMatchObject({
          code: "ERR_RAT_NON_FINITE",
          message: expect.stringMatching(/Step 2: .*nothing was updated.*learning rate/),
        });
        expect(await weightsOf(trainer)).toEqual(bad);
        expect(await momentsOf(trainer)).toEqual(moments);

        // And with good weights it goes on as if nothing had been.
        await trainer.load("model", goodFile);
        const event = await trainer.trainStep(examplesOf(IDS), 2, 0.01);
        const straight = await withTiny(name, { regularizer: ratStep, optimizer: adamw }, async (other) => {
          await other.trainStep(examplesOf(IDS), 1, 0.01);
          return other.trainStep(examplesOf(IDS), 2, 0.01);
        });
        expect(event).toEqual(straight);
      });
    },
  );

  test("a loss that a huge rate makes infinite stops the next step", async () => {
    await withTiny(name, { regularizer: ratStep }, async (trainer) => {
      const run = async () => {
        for (let step = 1; step <= 50; step++) await trainer.trainStep(examplesOf(IDS), step, 1e308);
      };
      await expect(run()).rejects.toMatchObject({ code: "ERR_RAT_NON_FINITE" });
    });
  });

  test("text of padding alone has no gradient: no perturbation, counted, and nothing breaks", async () => {
    const padding = name === "roberta" ? 1 : 0;
    await withTiny(name, { regularizer: ratStep }, async (trainer) => {
      const batch = packTexts([[padding, padding], [padding]], Int32Array.of(0, 1));
      const event = await trainer.trainStep(batch, 1, 0.1);
      expect(event).toMatchObject({ deltaNorm: 0, skippedPerturbations: 1 });
      expect(Object.values(event).every(Number.isFinite)).toBe(true);
      // The next step is perturbed again.
      expect(await trainer.trainStep(examplesOf(IDS), 2, 0.1)).toMatchObject({ skippedPerturbations: 0 });
    });
  });

  test("scores that are no numbers are refused", async () => {
    await withTiny(name, { kind: "regression" }, async (trainer) => {
      for (const value of [Number.NaN, Number.POSITIVE_INFINITY, 1e39]) {
        const batch = { ...examplesOf(IDS), labels: Float32Array.of(0, value, 1, 2) };
        await expect(trainer.trainStep(batch, 1, 0.1)).rejects.toMatchObject({ code: "ERR_RAT_NON_FINITE" });
      }
    });
  });

  test.each([-1, CLASSES, 2 ** 31 - 1])("class %i is refused", async (label) => {
    await withTiny(name, {}, async (trainer) => {
      const batch = { ...examplesOf(IDS), labels: Int32Array.of(0, label, 1, 2) };
      await expect(trainer.trainStep(batch, 1, 0.1)).rejects.toMatchObject({
        code: "ERR_RAT_LABEL",
        message: expect.stringContaining(`${label} is outside 0..${CLASSES - 1}`),
      });
    });
  });

  test.each([-1, VOCABULARY])("token %i is refused", async (token) => {
    await withTiny(name, {}, async (trainer) => {
      const batch = packTexts([[2, token]], Int32Array.of(0));
      await expect(trainer.trainStep(batch, 1, 0.1)).rejects.toMatchObject({ code: "ERR_RAT_INVALID_ARG" });
      await expect(trainer.predict(batch)).rejects.toMatchObject({ code: "ERR_RAT_INVALID_ARG" });
    });
  });
});

describe("10,000 tokens", () => {
  const text = Array.from({ length: 10_000 }, (_, i) => 2 + (i % 7));

  // The real widths, so that memory which grew with the square of the length would show.
  test.each(["textcnn", "bilstm", "texthan"] as const)(
    "are one example to a %s",
    { timeout: 120_000 },
    async (type) => {
      const trainer = new (native().Trainer)({
        model: {
          ...{ type, vocabularySize: 10, outputs: 2, embeddingSize: 300, hiddenSize: 128, layers: 1 },
          ...{ windows: [2, 3, 4], paddingId: 0, embeddingStd: 0.1 },
        },
        kind: "classification",
        regularizer: { ...NONE, ...ratStep },
        optimizer: adamw,
        ...{ seed: 1, device: "cpu", precision: "fp32", threads: 1 },
      });
      try {
        const before = process.memoryUsage.rss();
        const event = await trainer.trainStep(packTexts([text, [3]], Int32Array.of(0, 1)), 1, 1e-3);
        expect(Object.values(event).every(Number.isFinite)).toBe(true);
        expect(process.memoryUsage.rss() - before).toBeLessThan(2 ** 30);
      } finally {
        await trainer.dispose();
      }
    },
  );

  test("are more than an encoder has positions for", async () => {
    await withTiny("bert", {}, async (trainer) => {
      await expect(trainer.predict(packTexts([[3], text]))).rejects.toMatchObject({
        code: "ERR_RAT_LIMIT",
        message: expect.stringMatching(/Example 1 .* 10000 tokens.*at most 9.*maxLength/),
      });
    });
  });
});
