/**
 * Steps of a size that comes back are recorded and replayed (native/trainer/step_graphs.h). Whether a step is the first of its
 * size, recorded or replayed must not be seen in a bit: a resumed run is in another place of that than the one that it goes on.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type {
  NativeOptimizerOptions,
  NativeRegularizerOptions,
  NativeTrainer,
} from "#dist/native/binding.js";
import { describeOnGpu, sample } from "../support/gpu.js";
import { expectNear } from "../support/numbers.js";
import {
  examplesOf,
  modelNames,
  stateOf,
  type TinyOptions,
  tinyModels,
  weightsOf,
  withTiny,
} from "../support/tiny-models.js";

const passes = {
  ...{ epsilon: [0.5], ascentSteps: 2, stepSize: 0.2, klWeight: 0.5 },
  ...{ cleanDropout: 0.3, forwardDropout: [0.3] },
};
const methods: Readonly<Record<string, Partial<NativeRegularizerOptions>>> = {
  none: { ...passes, type: "none" },
  fgm: { ...passes, type: "fgm" },
  "r-drop": { ...passes, type: "r-drop", forwards: 2, forwardDropout: [0.3, 0.3] },
  "r-at": { ...passes, type: "r-at", forwards: 2, forwardDropout: [0.3, 0.1], epsilon: [0.5, 1] },
  "r-at by example": { ...passes, type: "r-at", forwards: 2, forwardDropout: [0.3, 0.1], scope: "example" },
  pgd: { ...passes, type: "pgd", scope: "example" },
  "freelb from noise": { ...passes, type: "freelb", scope: "example", ascentInit: "uniform" },
  "freelb by matrix": { ...passes, type: "freelb", ascentInit: "uniform" },
  r3f: { ...passes, type: "r3f", noise: "normal" },
  smart: { ...passes, type: "smart", scope: "example", consistency: "js" },
  "smart with Bregman": {
    ...{ ...passes, type: "smart", scope: "example", bregmanWeight: 1, bregmanDecay: 0.9 },
  },
};
const optimizers = ["adamw", "bertadam", "sgd"] as const;
const cases = modelNames.flatMap((model) =>
  Object.keys(methods).map((method, i) => [model, method, optimizers[i % 3] ?? "adamw"] as const),
);
/** All methods of the quickest model, and a few of the others. */
const tried = [
  ...cases.filter(([model]) => model === "textcnn"),
  ...sample(
    cases.filter(([model]) => model !== "textcnn"),
    19,
  ),
];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "rat-graphs-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Another batch for each step; every third is larger, so that two graphs take turns. */
function batchOf(model: string, step: number) {
  const batch = examplesOf(Array.from({ length: step % 3 === 0 ? 16 : 5 }, (_, i) => 7 * step + i));
  const reads = (tinyModels[model]?.encoder?.tokenTypes ?? 0) > 1;
  return reads ? { ...batch, tokenTypes: Uint8Array.from(batch.tokens, (_, i) => (i + step) % 2) } : batch;
}

function withTrainer<T>(
  model: string,
  method: string,
  type: NativeOptimizerOptions["type"],
  use: (trainer: NativeTrainer) => Promise<T>,
  where: TinyOptions = { device: "cuda:0", precision: "fp32" },
) {
  const optimizer = { type, weightDecay: 0.1, clipNorm: 1 };
  const regularizer = methods[method] ?? {};
  return withTiny(model, { regularizer, optimizer, ...where }, use);
}

const steps = async (trainer: NativeTrainer, model: string, numbers: readonly number[]) => {
  for (const number of numbers) await trainer.trainStep(batchOf(model, number), number, 0.05 / number);
};

/** TextCNN's weights after `train`, in double, with plain SGD. */
async function expectAsOnCpu(method: string, train: (trainer: NativeTrainer) => Promise<void>) {
  const weightsOn = (device: string) =>
    withTrainer(
      "textcnn",
      method,
      "sgd",
      async (trainer) => {
        await train(trainer);
        return weightsOf(trainer);
      },
      { device, precision: "fp64" },
    );
  const [cpu, gpu] = [await weightsOn("cpu"), await weightsOn("cuda:0")];
  for (const [name, values] of cpu) expectNear(gpu.get(name), values, 1e-9, (i) => `${name}[${i}]`);
}

describeOnGpu("a step of a graph", () => {
  test.each(tried)("of %s with %s by %s is the step itself", async (model, method, type) => {
    const [weights, moments] = ["weights", "moments"].map((name) => join(folder, `${name}-${Math.random()}`));
    if (weights === undefined || moments === undefined) throw new Error("unreachable");
    const whole = await withTrainer(model, method, type, async (trainer) => {
      await steps(trainer, model, [1, 2, 3, 4, 5]);
      await trainer.save("model", weights, {});
      if (type !== "sgd") await trainer.save("optimizer", moments, {});
      await steps(trainer, model, [6, 7, 8, 9, 10]);
      return stateOf(trainer, type);
    });
    const resumed = await withTrainer(model, method, type, async (trainer) => {
      await trainer.load("model", weights);
      if (type !== "sgd") await trainer.load("optimizer", moments);
      await steps(trainer, model, [6, 7, 8, 9, 10]);
      return stateOf(trainer, type);
    });
    expect(resumed).toEqual(whole);
  });

  test.each(Object.keys(methods))("is the CPU's, with %s", (method) =>
    expectAsOnCpu(method, (trainer) => steps(trainer, "textcnn", [1, 2, 3, 4, 5, 6, 7, 8])),
  );

  test("divides by what the whole step has, as it is told each time", () =>
    expectAsOnCpu("r-at", async (trainer) => {
      for (let step = 1; step <= 8; step++) {
        const batch = examplesOf([1, 2, 3, 4, 5].map((id) => id + 6 * step));
        await trainer.trainStep(batch, step, 0.05, { examples: step % 2 === 0 ? 20 : 10 });
      }
    }));

  test("counts classes as they weigh", () =>
    expectAsOnCpu("r-at", async (trainer) => {
      await trainer.setClassWeights(Float64Array.of(0.5, 1, 2));
      await steps(trainer, "textcnn", [1, 2, 3, 4, 5, 6, 7, 8]);
    }));

  test("of one trainer leaves another that trains at the same time as it is", async () => {
    const train = () =>
      withTrainer("textcnn", "r-at", "adamw", async (trainer) => {
        await steps(trainer, "textcnn", [1, 2, 3, 4, 5, 6, 7, 8]);
        return weightsOf(trainer);
      });
    const alone = await train();
    for (const together of await Promise.all([train(), train(), train()])) expect(together).toEqual(alone);
  });

  test("takes no more memory after 500 steps", async () => {
    await withTrainer("textcnn", "r-at", "adamw", async (trainer) => {
      const peaks: number[] = [];
      for (let step = 1; step <= 500; step++) {
        const batch = examplesOf(Array.from({ length: [2, 3, 6, 12][step % 4] ?? 1 }, (_, i) => step + i));
        await trainer.trainStep(batch, step, 0.01, { read: step % 10 === 0 });
        if (step === 100 || step === 500) peaks.push(await trainer.peakDeviceMemoryBytes());
      }
      expect(peaks[1]).toBe(peaks[0]);
    });
  });
});
