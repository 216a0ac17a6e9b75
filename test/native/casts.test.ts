/** In bf16 products read copies of the weights: whatever changes weights, the next forward sees them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { NativeTrainer } from "#dist/native/binding.js";
import { examplesOf, packTexts, type TinyOptions, tinyTrainer } from "../support/tiny-models.js";

const folder = mkdtempSync(join(tmpdir(), "rat-casts-"));
afterAll(() => rmSync(folder, { recursive: true }));

const TEXTS = packTexts([[3, 4, 5], [6, 7], [8]]);
const OPTIMIZERS = ["adamw", "bertadam", "sgd"] as const;
const cases = ["bert", "albert", "distilbert"].flatMap((model) =>
  OPTIMIZERS.map((type) => [model, type] as const),
);

const step = (trainer: NativeTrainer, number: number) =>
  trainer.trainStep(examplesOf([3, 14, 15, 9, 26, 5]), number, 0.1);

test.each(cases)("%s by %s: after steps, loading and restoring", async (model, type) => {
  const options: TinyOptions = { precision: "bf16", optimizer: { type, weightDecay: 0.1, clipNorm: 1 } };
  const path = join(folder, `${model}-${type}.safetensors`);
  const [one, other] = [tinyTrainer(model, options), tinyTrainer(model, { ...options, seed: 6 })];
  try {
    const first = await one.predict(TEXTS);
    await step(one, 1);
    const second = await one.predict(TEXTS);
    expect(second).not.toEqual(first);
    await one.save("model", path, {});
    await one.snapshot();

    await other.predict(TEXTS);
    await other.load("model", path);
    expect(await other.predict(TEXTS)).toEqual(second);

    const { loss } = await step(one, 2);
    expect(await one.predict(TEXTS)).not.toEqual(second);
    await one.restore();
    expect(await one.predict(TEXTS)).toEqual(second);
    // A step begins with the weights that were loaded, too.
    await step(other, 1);
    await other.load("model", path);
    expect((await step(other, 2)).loss).toBe(loss);
  } finally {
    await Promise.all([one.dispose(), other.dispose()]);
  }
});
