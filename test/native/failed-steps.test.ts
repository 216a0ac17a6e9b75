/** A step that fails leaves everything as it was, and what was queued behind it does not run. */
import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { type NativeRegularizerOptions, type NativeTrainer, native } from "#dist/native/binding.js";
import { trainTokenizer } from "#dist/tokenizers/word-vocabulary.js";
import type { TrainerOptions } from "#dist/trainer/options.js";
import { RATTrainer } from "#dist/trainer/rat-trainer.js";
import { isSanitized } from "../support/sanitizer.js";
import {
  modelNames,
  NONE,
  packTexts,
  tinyModels,
  tinyTrainer,
  VOCABULARY,
  weightsOf,
  withTiny,
} from "../support/tiny-models.js";

const ratStep: NativeRegularizerOptions = {
  ...NONE,
  ...{ type: "r-at", forwards: 2, epsilon: [0.5], klWeight: 0.5, cleanDropout: 0.2, forwardDropout: [0.2] },
};

/** Batches of two texts each: the first has token 7, the others do not. */
const poisoned = packTexts([[7, 3], [4]], Int32Array.of(1, 2));
const sound = packTexts([[3, 5, 4], [6]], Int32Array.of(2, 0), [3, 4]);
const next = packTexts(
  [
    [4, 3],
    [5, 5],
  ],
  Int32Array.of(1, 1),
  [5, 6],
);

/** A row of the embeddings that makes every loss infinite. */
const poison = (trainer: NativeTrainer, width: number) =>
  trainer.setEmbeddingRows(Int32Array.of(7), new Float32Array(width).fill(Number.POSITIVE_INFINITY));

describe.each(modelNames)("%s", (name) => {
  const width = tinyModels[name]?.embeddingSize ?? 0;

  test("steps behind one that failed do not run, and steps after it do", async () => {
    await withTiny(name, { regularizer: ratStep }, async (trainer) => {
      await poison(trainer, width);
      const before = await weightsOf(trainer);
      const steps = [poisoned, sound, next].map((batch, i) => trainer.trainStep(batch, 1 + i, 0.1));
      const [first, ...behind] = await Promise.allSettled(steps);
      expect(first).toMatchObject({ status: "rejected", reason: { code: "ERR_RAT_NON_FINITE" } });
      for (const result of behind) {
        expect(result).toMatchObject({ status: "rejected", reason: { code: "ERR_RAT_ABORTED" } });
      }
      expect(await weightsOf(trainer)).toEqual(before);
      expect((await trainer.trainStep(sound, 1, 0.1)).loss).toBeGreaterThan(0);
    });
  });

  test("another call's failure is not taken for the step's", async () => {
    await withTiny(name, { regularizer: ratStep }, async (trainer) => {
      await poison(trainer, width);
      const outside = trainer.predict(packTexts([[VOCABULARY]]));
      const failed = trainer.trainStep(poisoned, 1, 0.1).catch((error: unknown) => error);
      // Both have failed before this thread hears of either.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
      await expect(outside).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_RAT_/) });
      const behind = trainer.trainStep(sound, 2, 0.1);
      await expect(behind).rejects.toMatchObject({ code: "ERR_RAT_ABORTED" });
      expect(await failed).toMatchObject({ code: "ERR_RAT_NON_FINITE" });
    });
  });

  test("what is submitted after a cancel runs, though a step failed meanwhile", async () => {
    await withTiny(name, { regularizer: ratStep }, async (trainer) => {
      await poison(trainer, width);
      const failed = trainer.trainStep(poisoned, 1, 0.1).catch((error: unknown) => error);
      trainer.cancel();
      const predicted = trainer.predict(sound);
      await failed;
      expect((await predicted).length).toBeGreaterThan(0);
    });
  });
});

const { bert, textcnn } = tinyModels;

describe.skipIf(isSanitized).each(["adamw", "bertadam", "sgd"] as const)("out of memory, %s", (type) => {
  const options = { regularizer: ratStep, optimizer: { type, weightDecay: 0.1, clipNorm: 0.1 } } as const;
  const run = (trainer: NativeTrainer, from = 1) =>
    [sound, next, poisoned]
      .slice(from - 1)
      .reduce(
        (before, batch, i) => before.then(async () => void (await trainer.trainStep(batch, from + i, 0.1))),
        Promise.resolve(),
      );

  /** Fails at a request for memory of a step, then makes the step again; true if the step had no such request. */
  async function failAndRepeat(
    name: string,
    step: 1 | 2,
    request: number,
    expected: unknown,
  ): Promise<boolean> {
    return withTiny(name, options, async (trainer) => {
      await trainer.parameters(); // the model has been made
      if (step === 2) await trainer.trainStep(sound, 1, 0.1);
      native().failAllocation(request);
      const outcome = await trainer.trainStep(step === 1 ? sound : next, step, 0.1).then(
        () => undefined,
        (error: unknown) => error,
      );
      native().failAllocation(0);
      if (outcome === undefined) return true;
      expect(outcome).toMatchObject({ code: "ERR_RAT_HOST_OOM" });
      try {
        await run(trainer, step);
      } catch (error) {
        // These need memory while they update. Half an update is worse than none, so it is the trainer's end.
        expect(error).toMatchObject({
          code: "ERR_RAT_INTERNAL",
          message: expect.stringContaining("its update"),
        });
        expect(type).not.toBe("adamw");
        await expect(weightsOf(trainer)).rejects.toMatchObject({ code: "ERR_RAT_INTERNAL" });
        return false;
      }
      expect(await weightsOf(trainer), `request ${request} of step ${step}`).toEqual(expected);
      return false;
    });
  }

  test.each([
    ["textcnn", 1],
    ["bilstm", 4],
    ["bert", 16],
  ] as const)("%s: a step fails at any request for memory, and is made again", async (name, stride) => {
    const expected = await withTiny(name, options, async (trainer) => {
      await run(trainer);
      return weightsOf(trainer);
    });
    for (const step of [1, 2] as const) {
      let request = 1;
      while (!(await failAndRepeat(name, step, request, expected))) request += stride;
      expect(request).toBeGreaterThan(60);
    }
  });
});

test.skipIf(isSanitized)("a trainer whose memory cannot be had is not made", async () => {
  const options = {
    ...{ model: { type: "textcnn" }, tokenizer: await trainTokenizer([{ text: "a b" }]) },
    task: {
      ...{ name: "t", kind: "classification", labels: ["x", "y"], metrics: [], dev: null, test: null },
      train: [{ text: "a", label: "x" }],
    } as const,
    ...{ device: "cpu", threads: 1 },
  } satisfies TrainerOptions;
  const before = native().liveTrainers();
  native().failAllocation(1);
  await expect(RATTrainer.create(options)).rejects.toMatchObject({
    name: "RATError",
    code: "ERR_RAT_HOST_OOM",
  });
  expect(native().liveTrainers()).toBe(before);
  const trainer = await RATTrainer.create(options);
  expect(native().liveTrainers()).toBe(before + 1);
  await trainer.dispose();
  await options.tokenizer.dispose();
});

test("V8 is told what a trainer holds: its weights, then its moments, then nothing", async () => {
  const vocabularySize = 300_000;
  const weights = vocabularySize * 3 * 8; // and a few small ones
  const external = () => native().externalMemory();
  const before = external();
  const trainer = tinyTrainer("textcnn", {
    model: { vocabularySize },
    regularizer: ratStep,
    optimizer: { type: "adamw", weightDecay: 0, clipNorm: 0 },
  });
  const expectHeld = (factor: number) => {
    // Within what else V8 is told of meanwhile.
    expect(Math.abs(external() - before - factor * weights)).toBeLessThan(2e6);
  };
  await trainer.parameters();
  expectHeld(1);
  await trainer.trainStep(sound, 1, 0.1);
  expectHeld(3); // the matrix and two moments
  await trainer.snapshot();
  expectHeld(4);
  await trainer.dispose();
  expectHeld(0);
});

test.each<[string, object]>([
  ["windows", { windows: [Number.NaN] }],
  ["windows", { windows: [1e300] }],
  ["windows", { windows: [1.5] }],
  ["windows", { windows: [-(2 ** 40)] }],
  ["layerOrder", { ...bert, encoder: { ...bert?.encoder, layerOrder: [0, 1e300] } }],
  ["layerOrder", { ...bert, encoder: { ...bert?.encoder, layerOrder: [Number.NaN, 0] } }],
])("bad call - %s that are no whole numbers in range: %o", (name, model) => {
  expect(() => tinyTrainer("textcnn", { model })).toThrow(
    new RegExp(`Expected a whole number .* for ${name}`),
  );
});

test("a thread that cannot be started is an error, and leaves nothing behind", () => {
  // Memory for another thread's stack is refused; the environment's clean-up must not meet the trainer that never was.
  const program = `
    import { execFileSync } from "node:child_process";
    import { readFileSync } from "node:fs";
    import { native } from ${JSON.stringify(new URL("../../dist/native/binding.js", import.meta.url).href)};
    const { Trainer } = native();
    const options = ${JSON.stringify({ model: textcnn, kind: "classification" })};
    const used = 1024 * Number(/VmSize:\\s+(\\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]);
    const limit = (bytes) => execFileSync("prlimit", ["--pid", String(process.pid), "--as=" + bytes + ":"]);
    const make = () => new Trainer({ ...options, regularizer: ${JSON.stringify(ratStep)},
      optimizer: { type: "sgd", weightDecay: 0, clipNorm: 0 }, seed: 1, device: "cpu", precision: "fp32", threads: 1 });
    limit(used + 2 ** 20);
    let code = "none";
    try { make(); } catch (error) { code = error.code; }
    limit("unlimited");
    const trainer = make();
    await trainer.parameters();
    await trainer.dispose();
    console.log(code);
  `;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--max-old-space-size=200", "--input-type=module", "--eval", program],
    { encoding: "utf8" },
  );
  expect(stderr).toBe("");
  expect({ status, stdout }).toEqual({ status: 0, stdout: "ERR_RAT_HOST_OOM\n" });
});
