import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { MODEL_TYPES } from "#dist/config/fields.js";
import type { ModelOptions, Regularizer } from "#dist/config/schema.js";
import type { EvalEvent, StepEvent, TrainEvent } from "#dist/run/events.js";
import type { FitOptions } from "#dist/run/options.js";
import type { TrainerOptions } from "#dist/trainer/options.js";
import {
  eventsOf,
  expectRATError,
  scoreTask,
  temporaryFolder,
  tinyTextCnn,
  toyExamples,
  toyTask,
  toyTaskWith,
  toyTrainer,
} from "./toy.js";

const tiny: Record<(typeof MODEL_TYPES)[number], ModelOptions> = {
  textcnn: tinyTextCnn,
  bilstm: { type: "bilstm", embeddingSize: 16, hiddenSize: 8, layers: 2 },
  texthan: { type: "texthan", embeddingSize: 16, hiddenSize: 8 },
};

const methods: Regularizer[] = [
  { type: "none" },
  { type: "fgm", epsilon: 0.5 },
  { type: "r-drop", klWeight: 1 },
  { type: "r-at", epsilon: [0.5, 1], klWeight: 0.5 },
  { type: "r-at", forwards: 3, klWeight: 0, klReduction: "sum" },
];

const quick = { epochs: 4, batchSize: 16, learningRate: 0.01, logEvery: 1 } satisfies FitOptions;

const stepsOf = (events: TrainEvent[]): StepEvent[] => events.filter((event) => event.type === "step");
const evalsOf = (events: TrainEvent[], split: string): EvalEvent[] =>
  events.filter((event) => event.type === "eval").filter((event) => event.split === split);

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

async function train(options: Partial<TrainerOptions>, fit: FitOptions = quick) {
  await using trainer = await toyTrainer(options);
  const run = trainer.fit(fit);
  return { events: await eventsOf(run), summary: await run };
}

/** SHA-256 of the weights as a model folder holds them. */
async function weightsOf(trainer: Awaited<ReturnType<typeof toyTrainer>>): Promise<string> {
  const folder = join(await temporaryFolder(), "model");
  await trainer.save(folder);
  return createHash("sha256")
    .update(await readFile(join(folder, "model.safetensors")))
    .digest("hex");
}

describe("learns", () => {
  it.each(MODEL_TYPES)("with a %s", async (type) => {
    const { summary } = await train({ model: tiny[type] }, { ...quick, epochs: 8 });
    expect(summary).toMatchObject({
      task: "toy",
      model: type,
      regularizer: "r-at",
      steps: 48,
      device: "cpu",
    });
    expect(summary.test?.accuracy).toBeGreaterThan(0.9);
  });

  it.each(methods)("with %j", async (regularizer) => {
    const { events, summary } = await train({ regularizer });
    const steps = stepsOf(events);
    expect(steps).toHaveLength(24);
    expect(summary.dev?.accuracy).toBeGreaterThan(0.9);
    const perturbs = regularizer.type === "fgm" || regularizer.type === "r-at";
    for (const step of steps) {
      expect(Number.isFinite(step.loss)).toBe(true);
      expect(step.deltaNorm > 0).toBe(perturbs);
      expect(step.adversarialLoss > 0).toBe(perturbs);
      const klWeight = "klWeight" in regularizer ? (regularizer.klWeight ?? 0.5) : 0;
      expect(step.loss).toBeCloseTo(step.cleanLoss + step.adversarialLoss + klWeight * step.klLoss, 5);
    }
  });

  it("a regression", async () => {
    const { summary } = await train({ task: scoreTask }, { ...quick, epochs: 20 });
    expect(summary.dev?.pearson).toBeGreaterThan(0.6);
    expect(summary.test).toBeNull();
  });

  it("in double precision", async () => {
    const { summary } = await train({ precision: "fp64" });
    expect(summary.precision).toBe("fp64");
    expect(summary.dev?.accuracy).toBeGreaterThan(0.9);
  });
});

describe("is reproducible", () => {
  it("the same seed gives the same log", async () => {
    const [first, second] = [await train({ seed: 5 }), await train({ seed: 5 })];
    expect(first.events).toEqual(second.events);
    expect((await train({ seed: 6 })).events).not.toEqual(first.events);
  });

  it("events come in order: steps, the evaluation of each epoch, at last the test", async () => {
    const { events } = await train({}, { ...quick, epochs: 2, logEvery: 3 });
    expect(events.map(({ type, step }) => `${type} ${step}`)).toEqual([
      "step 3",
      "step 6",
      "eval 6",
      "step 9",
      "step 12",
      "eval 12",
      expect.stringMatching(/^eval (6|12)$/),
    ]);
    expect(events.at(-1)).toMatchObject({ split: "test" });
  });

  it("the method changes neither the initial weights nor the order of the data", async () => {
    const [plain, regularized] = [await train({ regularizer: { type: "none" } }), await train({})];
    const order = (run: typeof plain) => stepsOf(run.events).map(({ tokens }) => tokens);
    expect(order(plain)).toEqual(order(regularized));
    const firstLoss = (run: typeof plain) => stepsOf(run.events)[0]?.cleanLoss;
    expect(firstLoss(plain)).toBe(firstLoss(regularized));
  });

  it("without shuffling the rows come as the file has them", async () => {
    const train40 = toyExamples(40, 9);
    const { events } = await train(
      { task: toyTaskWith({ train: train40 }) },
      { ...quick, shuffle: false, epochs: 2 },
    );
    const words = (from: number, to: number) =>
      sum(train40.slice(from, to).map(({ text }) => text.split(" ").length));
    const epoch = [words(0, 16), words(16, 32), words(32, 40)];
    expect(stepsOf(events).map(({ tokens }) => tokens)).toEqual([...epoch, ...epoch]);
  });
});

describe("keeps the best model on dev", () => {
  it("and tests that one", async () => {
    // A rate at which later epochs spoil what the first learnt.
    await using trainer = await toyTrainer({ regularizer: { type: "none" } });
    const run = trainer.fit({ ...quick, epochs: 6, learningRate: 0.3 });
    const events = await eventsOf(run);
    const summary = await run;
    const dev = evalsOf(events, "dev").map(({ step, metrics }) => ({
      step,
      accuracy: metrics.accuracy ?? 0,
    }));
    const highest = Math.max(...dev.map(({ accuracy }) => accuracy));
    expect(summary.bestStep).toBe(dev.find(({ accuracy }) => accuracy === highest)?.step);
    expect(summary.dev?.accuracy).toBe(highest);
    const [test] = evalsOf(events, "test");
    expect(test).toMatchObject({ step: summary.bestStep, metrics: summary.test });
    expect((await trainer.evaluate("dev")).metrics).toEqual(summary.dev);
    expect((await trainer.evaluate("test")).loss).toBe(test?.loss);
  });

  it("the weights are those that a run ending there has", async () => {
    // Without metrics the loss decides, which rises again at this rate.
    const options = { regularizer: { type: "none" } } as const;
    await using judged = await toyTrainer({ ...options, task: toyTaskWith({ metrics: [] }) });
    const { bestStep, steps } = await judged.fit({ ...quick, epochs: 6, learningRate: 0.2 });
    expect(bestStep).toBeLessThan(steps);
    await using exact = await toyTrainer({ ...options, task: toyTaskWith({ dev: null }) });
    await exact.fit({ ...quick, learningRate: 0.2, maxSteps: bestStep });
    expect(await weightsOf(judged)).toBe(await weightsOf(exact));
  });

  it("without dev data the last", async () => {
    const { summary } = await train({ task: toyTaskWith({ dev: null }) });
    expect(summary).toMatchObject({ dev: null, bestStep: summary.steps });
  });

  it("stops early when patience is used up", async () => {
    // At rate 0 no evaluation is better than the first.
    const { events, summary } = await train({}, { ...quick, epochs: 10, learningRate: 0, patience: 2 });
    expect(evalsOf(events, "dev").map(({ step }) => step)).toEqual([6, 12, 18]);
    expect(summary).toMatchObject({ steps: 18, bestStep: 6 });
  });
});

describe("a second fit goes on where the first ended", () => {
  const withoutDev = { task: toyTaskWith({ dev: null }) };

  it.each(["adamw", "bertadam", "sgd"] as const)(
    "two runs of one epoch are one of two, bit for bit, with %s",
    async (type) => {
      const options = { ...withoutDev, optimizer: { type } };
      await using once = await toyTrainer(options);
      const whole = await eventsOf(once.fit({ ...quick, epochs: 2 }));
      await using twice = await toyTrainer(options);
      const first = await eventsOf(twice.fit({ ...quick, epochs: 1 }));
      const run = twice.fit({ ...quick, epochs: 1 });
      const second = await eventsOf(run);
      expect([...stepsOf(first), ...stepsOf(second)]).toEqual(stepsOf(whole));
      expect(second.at(-1)).toEqual(whole.at(-1));
      expect(await weightsOf(twice)).toBe(await weightsOf(once));
      expect(await run).toMatchObject({ steps: 12, bestStep: 12 });
    },
  );

  it("also evaluations on dev, when the last was the best", async () => {
    const metrics = { task: toyTaskWith({ metrics: [] }) };
    const { events } = await train(metrics, { ...quick, epochs: 2, logEvery: 3 });
    await using twice = await toyTrainer(metrics);
    const first = await eventsOf(twice.fit({ ...quick, epochs: 1, logEvery: 3 }));
    const second = await eventsOf(twice.fit({ ...quick, epochs: 1, logEvery: 3 }));
    // Each run tests at its end; all else is what one run tells.
    expect([...first.slice(0, -1), ...second]).toEqual(events);
  });

  it("begins a new epoch after a run that stopped in the middle of one", async () => {
    await using trainer = await toyTrainer(withoutDev);
    await trainer.fit({ ...quick, maxSteps: 8 });
    const [step] = stepsOf(await eventsOf(trainer.fit({ ...quick, maxSteps: 1 })));
    expect(step).toMatchObject({ step: 9, epoch: 2 });
  });

  it("counts on after an abort, and after a run of no steps", async () => {
    await using trainer = await toyTrainer(withoutDev);
    const controller = new AbortController();
    let last = 0;
    await expectRATError(async () => {
      for await (const { step } of trainer.fit({ ...quick, maxSteps: 1_000, signal: controller.signal })) {
        last = step;
        if (step === 3) controller.abort();
      }
    }, "ERR_RAT_ABORTED");
    expect(await trainer.fit({ maxSteps: 0 })).toMatchObject({ steps: last });
    const [step] = stepsOf(await eventsOf(trainer.fit({ ...quick, maxSteps: 1 })));
    expect(step).toMatchObject({ step: last + 1, epoch: 1 });
  });

  it("has a schedule of its own", async () => {
    await using trainer = await toyTrainer(withoutDev);
    const rates = async () =>
      stepsOf(await eventsOf(trainer.fit({ ...quick, maxSteps: 4, schedule: "linear" }))).map(
        ({ learningRate }) => learningRate,
      );
    expect(await rates()).toEqual([0.01, 0.0075, 0.005, 0.0025]);
    expect(await rates()).toEqual([0.01, 0.0075, 0.005, 0.0025]);
  });
});

it("no steps evaluate exactly the model that the same seed trains from", async () => {
  await using initial = await toyTrainer();
  const run = initial.fit({ maxSteps: 0 });
  const events = await eventsOf(run);
  const summary = await run;
  expect(events.map(({ type, step }) => `${type} ${step}`)).toEqual(["eval 0", "eval 0"]);
  expect(summary).toMatchObject({ steps: 0, bestStep: 0 });
  await using untouched = await toyTrainer();
  expect(await weightsOf(untouched)).toBe(await weightsOf(initial));
  expect((await untouched.evaluate("dev")).loss).toBe(evalsOf(events, "dev")[0]?.loss);
});

it("data sets may be any iterable, also one that is read once", async () => {
  async function* stream() {
    yield* toyTask.train;
  }
  const streamed = await train({ task: toyTaskWith({ train: stream(), dev: new Set(toyTask.dev) }) });
  expect(streamed.events).toEqual((await train({})).events);
});

it("evaluates any examples, and predicts in input order", async () => {
  await using trainer = await toyTrainer();
  await trainer.fit(quick);
  const examples = toyExamples(20, 11);
  const { loss, metrics, predictions, references } = await trainer.evaluate(examples);
  expect(loss).toBeGreaterThan(0);
  expect([...references]).toEqual(examples.map(({ label }) => (label === "good" ? 1 : 0)));
  const named = await trainer.predict(examples.map(({ text }) => text));
  expect(named.map(({ label }) => label)).toEqual([...predictions].map((index) => trainer.labels[index]));
  const correct = named.filter(({ label }, row) => label === examples[row]?.label).length;
  expect(metrics.accuracy).toBe(correct / examples.length);
  for (const { probabilities, probability, label } of named) {
    expect(sum(Object.values(probabilities ?? {}))).toBeCloseTo(1, 12);
    expect(probabilities?.[label ?? ""]).toBe(probability);
  }
});

it("the loss is the mean cross-entropy of the probabilities", async () => {
  await using trainer = await toyTrainer();
  const { loss } = await trainer.evaluate(toyTask.dev ?? []);
  const predictions = await trainer.predict(toyTask.dev ?? []);
  const losses = predictions.map(
    (p, row) => -Math.log(p.probabilities?.[String(toyTask.dev?.[row]?.label)] ?? 0),
  );
  expect(loss).toBeCloseTo(sum(losses) / losses.length, 10);
});

it("a saved model goes on from its weights, with its labels' order and its own length and dropout", async () => {
  const folder = join(await temporaryFolder(), "model");
  await using first = await toyTrainer({ maxLength: 20, dropout: 0.3 });
  await first.fit(quick);
  await first.save(folder);
  await using second = await toyTrainer({
    model: { path: folder },
    tokenizer: undefined,
    task: toyTaskWith({ labels: ["good", "bad"] }),
  });
  expect(second.labels).toEqual(["bad", "good"]);
  expect(await second.evaluate("dev")).toEqual(await first.evaluate("dev"));
  const again = join(await temporaryFolder(), "model");
  await second.save(again);
  for (const name of ["config.json", "model.safetensors", "tokenizer.json"]) {
    expect(await readFile(join(again, name))).toEqual(await readFile(join(folder, name)));
  }
  expect(await second.fit({ ...quick, maxSteps: 2 })).toMatchObject({ model: folder });
});

describe("a task's F1", () => {
  const named = (changes: object) => toyTaskWith({ name: "mrpc", metrics: ["f1"], ...changes });

  it("is the task's own: its name says nothing", async () => {
    const threeWay = (examples: typeof toyTask.train) =>
      examples.map((example, row) => (row % 3 === 0 ? { ...example, label: "so-so" } : example));
    const task = named({
      labels: ["bad", "good", "so-so"],
      ...{ train: threeWay(toyTask.train), dev: threeWay(toyTask.dev ?? []), test: null },
    });
    const { summary } = await train({ task }, { ...quick, epochs: 1 });
    expect(summary.dev?.f1).toBeGreaterThan(0);
  });

  it("is that of class 1 where the task says so", async () => {
    const [macro, binary] = await Promise.all(
      [undefined, "binary" as const].map(async (f1Average) => {
        await using trainer = await toyTrainer({ task: named({ f1Average }) });
        return await trainer.evaluate("dev");
      }),
    );
    const { predictions = [], references = [] } = binary ?? {};
    const count = (p: number, r: number) =>
      [...predictions].filter((value, row) => value === p && references[row] === r).length;
    const f1Of = (c: number) =>
      (2 * count(c, c)) / (2 * count(c, c) + count(c, 1 - c) + count(1 - c, c) || 1);
    expect(binary?.metrics.f1).toBeCloseTo(f1Of(1), 12);
    expect(macro?.metrics.f1).toBeCloseTo((f1Of(0) + f1Of(1)) / 2, 12);
  });

  it("bad call - of one class among three", async () => {
    const task = named({ labels: ["bad", "good", "so-so"], f1Average: "binary" });
    await expectRATError(() => toyTrainer({ task }), "ERR_RAT_INVALID_ARG", /f1Average/);
  });
});
