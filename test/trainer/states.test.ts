import { getEventListeners } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { RATErrorCode } from "#dist/errors.js";
import { native } from "#dist/native/binding.js";
import type { FitOptions } from "#dist/run/options.js";
import type { EvaluationData, TrainerOptions } from "#dist/trainer/options.js";
import { RATTrainer } from "#dist/trainer/rat-trainer.js";
import { isSanitized } from "../support/sanitizer.js";
import {
  expectRATError,
  temporaryFolder,
  tinyTextCnn,
  toyExamples,
  toyTask,
  toyTaskWith,
  toyTokenizer,
  toyTrainer,
} from "./toy.js";

/** Far more steps than a test waits for. */
const endless = { maxSteps: 1_000_000, batchSize: 16 } satisfies FitOptions;

type Call = (trainer: RATTrainer, signal?: AbortSignal) => PromiseLike<unknown>;
const calls: [string, Call][] = [
  ["fit", (trainer, signal) => trainer.fit({ maxSteps: 1, signal })],
  ["evaluate", (trainer, signal) => trainer.evaluate("dev", { signal })],
  ["predict", (trainer, signal) => trainer.predict(["fine"], { signal })],
  ["save", async (trainer, signal) => trainer.save(join(await temporaryFolder(), "model"), { signal })],
];

describe("every call in every state", () => {
  it.each(calls)("%s works when nothing else goes on", async (_, call) => {
    await using trainer = await toyTrainer();
    await call(trainer);
    await call(trainer);
  });

  it.each(calls)("bad call - %s while fit runs", async (_, call) => {
    await using trainer = await toyTrainer();
    const run = trainer.fit(endless);
    const ended = expectRATError(() => run, "ERR_RAT_ABORTED");
    const error = await expectRATError(() => call(trainer), "ERR_RAT_BUSY");
    expect(error.retryable).toBe(true);
    await trainer.dispose();
    await ended;
  });

  it.each(calls)("bad call - %s after dispose", async (_, call) => {
    const trainer = await toyTrainer();
    await trainer.dispose();
    await trainer.dispose();
    await expectRATError(() => call(trainer), "ERR_RAT_DISPOSED");
  });

  it.each(calls)("bad call - %s with an aborted signal", async (_, call) => {
    await using trainer = await toyTrainer();
    const reason = new Error("no");
    const error = await expectRATError(() => call(trainer, AbortSignal.abort(reason)), "ERR_RAT_ABORTED");
    expect(error).toMatchObject({ name: "AbortError", cause: reason });
    await call(trainer);
  });

  it.skipIf(isSanitized).each(calls)("%s works after a step that failed", async (_, call) => {
    await using trainer = await toyTrainer();
    native().failAllocation(60);
    await expectRATError(() => trainer.fit({ maxSteps: 9, batchSize: 16 }), "ERR_RAT_HOST_OOM");
    native().failAllocation(0);
    await call(trainer);
    await call(trainer);
  });

  it.skipIf(isSanitized)("a run after one whose step failed is the run that would have been", async () => {
    const losses = async (trainer: RATTrainer) => {
      const found: number[] = [];
      for await (const event of trainer.fit({ maxSteps: 4, batchSize: 16, logEvery: 1 })) {
        if (event.type === "step") found.push(event.loss);
      }
      return found;
    };
    await using failed = await toyTrainer();
    native().failAllocation(60);
    await expectRATError(() => failed.fit({ maxSteps: 9, batchSize: 16 }), "ERR_RAT_HOST_OOM");
    native().failAllocation(0);
    await using fresh = await toyTrainer();
    expect(await losses(failed)).toEqual(await losses(fresh));
  });

  it("bad call - fit while evaluate runs", async () => {
    await using trainer = await toyTrainer();
    const evaluation = trainer.evaluate("train");
    await expectRATError(() => trainer.fit({ maxSteps: 1 }), "ERR_RAT_BUSY");
    await evaluation;
    await trainer.fit({ maxSteps: 1 });
  });

  it("reading calls overlap", async () => {
    await using trainer = await toyTrainer();
    const [dev, test] = await Promise.all([
      trainer.evaluate("dev"),
      trainer.evaluate("test"),
      trainer.predict("a"),
    ]);
    expect([dev.references.length, test.references.length]).toEqual([32, 32]);
  });
});

describe("abort", () => {
  it("ends a run within a step, with the signal's reason, and leaves no listener", async () => {
    await using trainer = await toyTrainer();
    const controller = new AbortController();
    const run = trainer.fit({ ...endless, logEvery: 1, signal: controller.signal });
    let abortedAt = 0;
    const error = await expectRATError(async () => {
      for await (const event of run) {
        if (event.step !== 5 || abortedAt > 0) continue;
        abortedAt = performance.now();
        controller.abort("enough");
      }
    }, "ERR_RAT_ABORTED");
    expect(error).toMatchObject({ name: "AbortError", cause: "enough" });
    expect(performance.now() - abortedAt).toBeLessThan(2_000);
    expect(getEventListeners(controller.signal, "abort")).toEqual([]);
    await trainer.fit({ maxSteps: 2 });
  });

  it("listeners are gone after calls that succeed", async () => {
    await using trainer = await toyTrainer();
    const { signal } = new AbortController();
    await trainer.fit({ maxSteps: 1, signal });
    await trainer.evaluate("dev", { signal });
    await trainer.predict(["a"], { signal });
    await trainer.save(join(await temporaryFolder(), "model"), { signal });
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });

  it("also ends the encoding of endless data", async () => {
    async function* forever() {
      for (;;) yield* toyTask.train;
    }
    await using trainer = await toyTrainer({ task: toyTaskWith({ train: forever() }) });
    const run = trainer.fit({ signal: AbortSignal.timeout(30) });
    await expectRATError(() => run, "ERR_RAT_ABORTED");
  });

  it("while a model is saved leaves the folder as it was", async () => {
    await using trainer = await toyTrainer();
    const parent = await temporaryFolder();
    const folder = join(parent, "model");
    await trainer.save(folder);
    const before = await readFile(join(folder, "model.safetensors"));
    await trainer.fit({ maxSteps: 1, batchSize: 16 });
    const controller = new AbortController();
    const saving = trainer.save(folder, { signal: controller.signal });
    controller.abort();
    await expectRATError(() => saving, "ERR_RAT_ABORTED");
    expect((await readFile(join(folder, "model.safetensors"))).equals(before)).toBe(true);
    expect(await readdir(parent)).toEqual(["model"]);
    await trainer.save(folder);
    expect((await readFile(join(folder, "model.safetensors"))).equals(before)).toBe(false);
  });

  it("dispose aborts what runs, and waits for it", async () => {
    const trainer = await toyTrainer();
    const run = trainer.fit(endless);
    const ended = expectRATError(() => run, "ERR_RAT_ABORTED");
    await setTimeout(50);
    await trainer.dispose();
    expect((await ended).cause).toMatchObject({ code: "ERR_RAT_DISPOSED" });
  });
});

it("the event loop stays free while a model trains", async () => {
  const size = { type: "textcnn", embeddingSize: 128, hiddenSize: 64 } as const;
  await using trainer = await toyTrainer({
    model: size,
    task: toyTaskWith({ train: toyExamples(2_000, 8) }),
  });
  await trainer.fit({ maxSteps: 1 });
  const gaps: number[] = [];
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    gaps.push(now - last);
    last = now;
  }, 2);
  await trainer.fit({ maxSteps: 40 });
  clearInterval(timer);
  gaps.sort((a, b) => b - a);
  // A synchronous step would show up in every gap; what a busy machine does to a single one says nothing.
  expect(gaps.length).toBeGreaterThan(50);
  expect(gaps[Math.floor(gaps.length / 100)]).toBeLessThan(50);
});

describe("misuse", () => {
  const create: [string, Record<string, unknown>, RATErrorCode, RegExp][] = [
    ["no model", { model: undefined }, "ERR_RAT_CONFIG", /model/],
    ["a model that is a name", { model: "textcnn" }, "ERR_RAT_CONFIG", /object for model/],
    ["an unknown architecture", { model: { type: "bert" } }, "ERR_RAT_CONFIG", /bilstm, texthan, textcnn/],
    ["layers of a textcnn", { model: { type: "textcnn", layers: 1 } }, "ERR_RAT_CONFIG", /model\.layers/],
    ["a folder that is not there", { model: { path: "./no/such" } }, "ERR_RAT_PATH", /no\/such/],
    ["a misspelt option", { dropOut: 0.1 }, "ERR_RAT_CONFIG", /did you mean dropout/],
    [
      "an unknown regularizer",
      { regularizer: { type: "mixup" } },
      "ERR_RAT_CONFIG",
      /none, fgm, pgd, freelb, r-drop, r-at, r3f, smart/,
    ],
    [
      "an option of another method",
      { regularizer: { type: "fgm", klWeight: 1 } },
      "ERR_RAT_CONFIG",
      /klWeight/,
    ],
    ["a list of the wrong length", { dropout: [0.1] }, "ERR_RAT_CONFIG", /list of 2/],
    ["a device that is not there", { device: "cuda:99" }, "ERR_RAT_DEVICE", /cuda:99/],
    ["no tokenizer", { tokenizer: undefined }, "ERR_RAT_INVALID_ARG", /tokenizer/],
    ["no task", { task: undefined }, "ERR_RAT_INVALID_ARG", /task/],
    ["a kind of no kind", { task: toyTaskWith({ kind: "ranking" as never }) }, "ERR_RAT_INVALID_ARG", /kind/],
    ["one label", { task: toyTaskWith({ labels: ["bad"] }) }, "ERR_RAT_INVALID_ARG", /two class names/],
    [
      "the same label twice",
      { task: toyTaskWith({ labels: ["a", "a"] }) },
      "ERR_RAT_INVALID_ARG",
      /different/,
    ],
    [
      "a metric of regression",
      { task: toyTaskWith({ metrics: ["pearson"] }) },
      "ERR_RAT_INVALID_ARG",
      /accuracy/,
    ],
  ];
  it.each(create)("bad call - create with %s", async (_, changes, code, message) => {
    const options = {
      model: tinyTextCnn,
      task: toyTask,
      tokenizer: await toyTokenizer(),
      threads: 1,
      ...changes,
    };
    await expectRATError(() => RATTrainer.create(options as unknown as TrainerOptions), code, message);
  });

  it("bad call - create without options", async () => {
    await expectRATError(() => RATTrainer.create(undefined as never), "ERR_RAT_INVALID_ARG");
  });

  const fit: [string, unknown, RATErrorCode, RegExp][] = [
    ["null", null, "ERR_RAT_INVALID_ARG", /options/],
    ["a misspelt option", { epoch: 1 }, "ERR_RAT_CONFIG", /did you mean epochs/],
    ["half a step", { maxSteps: 0.5 }, "ERR_RAT_CONFIG", /integer/],
    ["an unknown schedule", { schedule: "step" }, "ERR_RAT_CONFIG", /linear, cosine, constant/],
    ["a signal that is none", { signal: {} }, "ERR_RAT_INVALID_ARG", /AbortSignal/],
    ["resume without a folder", { resume: true }, "ERR_RAT_CONFIG", /output/],
    ["checkpoints without a folder", { checkpointEvery: 1 }, "ERR_RAT_CONFIG", /output/],
  ];
  it.each(fit)("bad call - fit with %s", async (_, options, code, message) => {
    await using trainer = await toyTrainer();
    await expectRATError(() => trainer.fit(options as FitOptions), code, message);
    await trainer.fit({ maxSteps: 0 });
  });

  const data: [string, unknown, RATErrorCode, RegExp][] = [
    ["no examples", [], "ERR_RAT_DATA_FORMAT", /no examples/],
    ["nothing iterable", 5, "ERR_RAT_INVALID_ARG", /iterable/],
    ["a row that is a string", ["text"], "ERR_RAT_INVALID_ARG", /examples\[0\]/],
    ["a row without text", [{ label: "bad" }], "ERR_RAT_INVALID_ARG", /examples\[0\]\.text/],
    ["a pair that is a number", [{ text: "a", pair: 1, label: "bad" }], "ERR_RAT_INVALID_ARG", /pair/],
    [
      "an unknown label",
      [
        { text: "a", label: "bad" },
        { text: "b", label: "worse" },
      ],
      "ERR_RAT_LABEL",
      /examples\[1\].*"worse"/,
    ],
    ["an index as label", [{ text: "a", label: 1 }], "ERR_RAT_LABEL", /1 of type number/],
    ["an unknown split", "validation", "ERR_RAT_INVALID_ARG", /train, dev, dev-mismatched, test/],
  ];
  it.each(data)("bad call - evaluate with %s", async (_, examples, code, message) => {
    await using trainer = await toyTrainer();
    await expectRATError(() => trainer.evaluate(examples as EvaluationData), code, message);
  });

  it("bad call - fit on a label outside the task's", async () => {
    const train = [...toyTask.train.slice(0, 7), { text: "x", label: "ugly" }];
    await using trainer = await toyTrainer({ task: toyTaskWith({ train }) });
    await expectRATError(() => trainer.fit(), "ERR_RAT_LABEL", /train\[7\].*"ugly"/);
  });

  it("bad call - evaluate a split that the task lacks", async () => {
    await using trainer = await toyTrainer({ task: toyTaskWith({ test: null }) });
    await expectRATError(() => trainer.evaluate("test"), "ERR_RAT_DATA_FORMAT", /no test data/);
  });

  it.each([[undefined], [5], [[5]], [[{ pair: "x" }]]])("bad call - predict %j", async (texts) => {
    await using trainer = await toyTrainer();
    await expectRATError(() => trainer.predict(texts as never), "ERR_RAT_INVALID_ARG", /texts/);
  });

  it("bad call - a learning rate that ruins the weights", async () => {
    await using trainer = await toyTrainer({ optimizer: { type: "sgd", clipNorm: 0 } });
    const error = await expectRATError(
      () => trainer.fit({ maxSteps: 50, learningRate: 1e30 }),
      "ERR_RAT_NON_FINITE",
      /[Ss]tep \d+/,
    );
    expect(error.message).toMatch(/learning rate/);
  });
});
