/** What a trainer and `fit` can do besides: through TypeScript, on the toy task. That the arithmetic is PyTorch's is
 * test/native/features.test.ts's to show. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Regularizer } from "#dist/config/schema.js";
import type { StepEvent } from "#dist/run/events.js";
import type { FitOptions } from "#dist/run/options.js";
import type { TrainerOptions } from "#dist/trainer/options.js";
import { readSafetensors } from "../support/safetensors.js";
import {
  eventsOf,
  expectRATError,
  scoreTask,
  temporaryFolder,
  toyTask,
  toyTaskWith,
  toyTrainer,
} from "./toy.js";

const quick = { maxSteps: 4, batchSize: 16, learningRate: 0.01, logEvery: 1 } satisfies FitOptions;
const methods: Regularizer[] = [
  { type: "none" },
  { type: "fgm", epsilon: 0.5 },
  { type: "r-drop", klWeight: 1 },
  { type: "r-at", epsilon: [0.5, 1], klWeight: 0.5 },
];
const FIELDS = ["loss", "cleanLoss", "adversarialLoss", "klLoss", "deltaNorm", "gradNorm"] as const;

async function train(options: Partial<TrainerOptions> = {}, fit: FitOptions = quick) {
  await using trainer = await toyTrainer({ threads: 1, ...options });
  const run = trainer.fit(fit);
  const events = await eventsOf(run);
  const folder = join(await temporaryFolder(), "model");
  await trainer.save(folder);
  const weights = readSafetensors(join(folder, "model.safetensors"));
  return { events, steps: events.filter((event) => event.type === "step"), summary: await run, weights };
}

function expectAlike(actual: readonly StepEvent[], expected: readonly StepEvent[], tolerance: number): void {
  expect(actual.length).toBe(expected.length);
  for (const [i, step] of actual.entries()) {
    const other = expected[i];
    expect(step).toMatchObject({ examples: other?.examples, tokens: other?.tokens });
    for (const field of FIELDS)
      expect(
        Math.abs(step[field] - (other?.[field] ?? Number.NaN)),
        `${field} of step ${i + 1}`,
      ).toBeLessThan(tolerance * Math.max(1, Math.abs(step[field])));
  }
}

describe("microBatchSize", () => {
  it.each(methods)("changes nothing but rounding with %j", async (regularizer) => {
    for (const [precision, tolerance] of [
      ["fp64", 1e-12],
      ["fp32", 1e-5],
    ] as const) {
      const whole = await train({ regularizer, precision });
      const parts = await train({ regularizer, precision }, { ...quick, microBatchSize: 5 });
      expectAlike(parts.steps, whole.steps, tolerance);
    }
  });

  it("is at most the batch size", async () => {
    await using trainer = await toyTrainer();
    const tooLarge = () => trainer.fit({ ...quick, microBatchSize: 17 });
    await expectRATError(tooLarge, "ERR_RAT_CONFIG", /microBatchSize/);
    await trainer.fit({ ...quick, microBatchSize: 16 });
  });
});

describe("freeze and layerDecay", () => {
  it("leave the embeddings alone, and everything below the head", async () => {
    const initial = await train({}, { ...quick, maxSteps: 0 });
    for (const [freeze, frozen] of [
      ["embeddings", /^embedding/],
      [1, /^(embedding|convs)/],
      [0, /^$/],
    ] as const) {
      const { weights, steps } = await train({ freeze });
      expect(steps.every(({ deltaNorm }) => deltaNorm > 0)).toBe(true);
      for (const [name, values] of weights)
        if (frozen.test(name)) expect(values, name).toEqual(initial.weights.get(name));
        else expect(values, name).not.toEqual(initial.weights.get(name));
    }
  });

  it("say how many layers there are", async () => {
    await expectRATError(() => toyTrainer({ freeze: 2 }), "ERR_RAT_CONFIG", /at most 1 for freeze/);
  });

  it("move what is deep in the model less", async () => {
    const sgd = {
      optimizer: { type: "sgd", clipNorm: 0, weightDecay: 0 },
      regularizer: { type: "none" },
    } as const;
    const once = { ...quick, maxSteps: 1 };
    const initial = await train(sgd, { ...quick, maxSteps: 0 });
    const [full, decayed] = [await train(sgd, once), await train({ ...sgd, layerDecay: 0.5 }, once)];
    const moveOf = ({ weights }: typeof full, name: string) =>
      Math.max(
        ...(weights.get(name) ?? []).map((value, i) =>
          Math.abs(value - (initial.weights.get(name)?.[i] ?? 0)),
        ),
      );
    for (const [name, factor] of [
      ["embedding.weight", 0.25],
      ["convs.0.weight", 0.5],
      ["classifier.weight", 1],
    ] as const)
      expect(moveOf(decayed, name) / moveOf(full, name), name).toBeCloseTo(factor, 2);
  });
});

describe("classWeights and labelSmoothing", () => {
  // Three bad texts to one good one.
  const train3to1 = toyTask.train.filter(({ label }, row) => label === "bad" || row % 3 === 0);
  const lopsided = { ...toyTask, train: train3to1 };
  const share = (label: string) => train3to1.filter((example) => example.label === label).length;
  const balanced = ["bad", "good"].map((label) => train3to1.length / (2 * share(label)));

  it("balanced are scikit-learn's", async () => {
    const [named, listed] = [
      await train({ task: lopsided, classWeights: "balanced" }),
      await train({ task: lopsided, classWeights: balanced }),
    ];
    expect(named.steps).toEqual(listed.steps);
    expect(named.steps).not.toEqual((await train({ task: lopsided })).steps);
  });

  it("weights that are all alike are none", async () => {
    expectAlike((await train({ classWeights: [3, 3] })).steps, (await train()).steps, 1e-5);
  });

  it("follow the labels into a folder whose order is another", async () => {
    const output = join(await temporaryFolder(), "run");
    await train({ task: toyTaskWith({ labels: ["good", "bad"] }) }, { ...quick, maxSteps: 0, output });
    const model = { path: join(output, "model") };
    const [first, second] = [
      await train({ model, tokenizer: undefined, classWeights: [1, 5] }),
      await train({
        ...{ model, tokenizer: undefined, classWeights: [5, 1] },
        task: toyTaskWith({ labels: ["good", "bad"] }),
      }),
    ];
    expect(first.steps).toEqual(second.steps);
  });

  it("smoothing keeps the loss of what is certain above zero", async () => {
    const long = { ...quick, maxSteps: 60 };
    const [sharp, smooth] = [
      await train({ regularizer: { type: "none" } }, long),
      await train({ regularizer: { type: "none" }, labelSmoothing: 0.2 }, long),
    ];
    const least = 0.9 * Math.log(1 / 0.9) + 0.1 * Math.log(10);
    expect(sharp.steps.at(-1)?.loss).toBeLessThan(least);
    for (const { loss } of smooth.steps) expect(loss).toBeGreaterThan(least);
  });

  it.each([
    ["too few", { classWeights: [1] }, /classWeights/],
    ["too many", { classWeights: [1, 2, 3] }, /classWeights \(bad, good\)/],
    ["negative", { classWeights: [1, -1] }, /classWeights/],
    ["all zero", { classWeights: [0, 0] }, /zero/],
    ["another word", { classWeights: "equal" as "balanced" }, /classWeights/],
    ["of a regression", { task: scoreTask, classWeights: "balanced" as const }, /regression/],
    ["smoothing of a regression", { task: scoreTask, labelSmoothing: 0.1 }, /regression/],
    ["smoothing everything away", { labelSmoothing: 1 }, /labelSmoothing/],
    ["a decay of zero", { layerDecay: 0 }, /layerDecay/],
    ["freezing a part that there is not", { freeze: "head" as "embeddings" }, /freeze/],
  ])("bad call - %s", async (_, options, part) => {
    await expectRATError(() => toyTrainer(options as Partial<TrainerOptions>), "ERR_RAT_CONFIG", part);
  });
});

describe("metric", () => {
  it("chooses the best, and is computed though the task does not list it", async () => {
    const fit = { ...quick, maxSteps: 12, evalEvery: 2 };
    const { events, summary } = await train({}, { ...fit, metric: "matthews" });
    const evals = events.filter((event) => event.type === "eval" && event.split === "dev");
    const scores = evals.map((event) => ("metrics" in event ? (event.metrics.matthews ?? -1) : -1));
    expect(summary.dev?.matthews).toBe(Math.max(...scores));
    expect(Object.keys(summary.dev ?? {})).toEqual(["accuracy", "f1", "matthews"]);
  });

  it("loss takes the lowest", async () => {
    const fit = { ...quick, maxSteps: 12, evalEvery: 2, metric: "loss" as const };
    const { events, summary } = await train({}, fit);
    const evals = events.filter((event) => event.type === "eval" && event.split === "dev");
    const best = evals.reduce(
      (least, event) => ("loss" in event && event.loss < (least.loss ?? 1e9) ? event : least),
      {
        step: 0,
        loss: 1e9,
      } as { step: number; loss: number },
    );
    expect(summary.bestStep).toBe(best.step);
  });

  it("of another kind of task is refused", async () => {
    await using trainer = await toyTrainer();
    await expectRATError(() => trainer.fit({ ...quick, metric: "pearson" }), "ERR_RAT_CONFIG", /metric/);
  });
});

describe("a run's folder", () => {
  const features = {
    labelSmoothing: 0.1,
    classWeights: [1, 2],
    layerDecay: 0.9,
    freeze: "embeddings",
  } as const;
  const fit = { ...quick, metric: "f1", microBatchSize: 4, checkpointEvery: 2 } as const;

  it("keeps what was given, and resumes with nothing else", async () => {
    const output = join(await temporaryFolder(), "run");
    await train(features, { ...fit, output });
    const config = JSON.parse(readFileSync(join(output, "config.json"), "utf8"));
    expect(config).toMatchObject({ ...features, metric: "f1", microBatchSize: 4 });
    for (const [name, changed] of [
      ["labelSmoothing", { labelSmoothing: 0.2 }],
      ["classWeights", { classWeights: [1, 3] }],
      ["layerDecay", { layerDecay: 0.8 }],
      ["freeze", { freeze: 1 }],
    ] as const)
      await expectRATError(
        () => train({ ...features, ...changed }, { ...fit, output, resume: true }),
        "ERR_RAT_RESUME_CONFIG",
        new RegExp(name),
      );
    for (const [name, changed] of [
      ["metric", { metric: "accuracy" }],
      ["microBatchSize", { microBatchSize: 8 }],
    ] as const)
      await expectRATError(
        () => train(features, { ...fit, ...changed, output, resume: true }),
        "ERR_RAT_RESUME_CONFIG",
        new RegExp(name),
      );
    const resumed = await train(features, { ...fit, maxSteps: 6, output, resume: true });
    expect(resumed.summary.steps).toBe(6);
  });
});
