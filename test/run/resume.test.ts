import { appendFile, cp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Regularizer } from "#dist/config/schema.js";
import type { Checkpoint, RunEnvironment } from "#dist/run/checkpoint.js";
import type { TrainSummary } from "#dist/run/events.js";
import type { FitOptions } from "#dist/run/options.js";
import { checkResume } from "#dist/run/run-identity.js";
import type { TrainerOptions } from "#dist/trainer/options.js";
import { expectRATError, temporaryFolder, toyExamples, toyTaskWith, toyTrainer } from "../trainer/toy.js";

const fit = { epochs: 3, batchSize: 16, learningRate: 0.01, logEvery: 1 } satisfies FitOptions;

/** A run into `output`; aborted once an event of step `abortAt` or later has been seen. */
async function runInto(
  output: string,
  options: { trainer?: Partial<TrainerOptions>; fit?: FitOptions; abortAt?: number } = {},
): Promise<TrainSummary> {
  await using trainer = await toyTrainer(options.trainer);
  const controller = new AbortController();
  const run = trainer.fit({ ...fit, output, signal: controller.signal, ...options.fit });
  for await (const event of run) {
    if (event.step >= (options.abortAt ?? Number.POSITIVE_INFINITY)) controller.abort();
  }
  return run;
}

async function interruptedRun(options: Parameters<typeof runInto>[1] & { abortAt: number }): Promise<string> {
  const output = join(await temporaryFolder(), "run");
  await expectRATError(() => runInto(output, options), "ERR_RAT_ABORTED");
  return output;
}

const checkpointsOf = async (output: string) => (await readdir(join(output, "checkpoints"))).sort();
const weightsOf = (output: string) => readFile(join(output, "model", "model.safetensors"));
const logOf = (output: string) => readFile(join(output, "log.jsonl"), "utf8");

/** What two equal runs may differ in. */
const withoutTimes = ({
  seconds,
  examplesPerSecond,
  tokensPerSecond,
  peakMemoryBytes,
  output,
  provenance,
  ...rest
}: TrainSummary) => rest;

const methods: Regularizer[] = [{ type: "none" }, { type: "r-drop" }, { type: "r-at", epsilon: [0.5, 1] }];
const optimizers = ["adamw", "bertadam", "sgd"] as const;

describe("a run that was aborted and resumed equals one that was not", () => {
  const cases = methods.flatMap((regularizer) =>
    optimizers.map((type) => ({ regularizer, optimizer: { type } })),
  );
  it.each(cases)("$regularizer.type, $optimizer.type", async (trainer) => {
    const whole = join(await temporaryFolder(), "run");
    const summary = await runInto(whole, { trainer });
    const output = await interruptedRun({ trainer, abortAt: 8 });
    const [checkpoint] = await checkpointsOf(output);
    expect(Number(checkpoint?.slice("step-".length))).toBeGreaterThanOrEqual(8);
    const resumed = await runInto(output, { trainer, fit: { resume: true } });
    expect(withoutTimes(resumed)).toEqual(withoutTimes(summary));
    expect(await logOf(output)).toBe(await logOf(whole));
    expect((await weightsOf(output)).equals(await weightsOf(whole))).toBe(true);
  });

  it("where an average of the weights is part of the step", async () => {
    const regularizer = { type: "smart", epsilon: 0.5, bregmanWeight: 1, bregmanDecay: 0.9 } as const;
    const whole = join(await temporaryFolder(), "run");
    await runInto(whole, { trainer: { regularizer } });
    const output = await interruptedRun({ trainer: { regularizer }, abortAt: 8 });
    await runInto(output, { trainer: { regularizer }, fit: { resume: true } });
    const log = await logOf(output);
    expect(log).toBe(await logOf(whole));
    expect(log).toMatch(/"bregmanLoss":0\.\d+/);
    expect((await weightsOf(output)).equals(await weightsOf(whole))).toBe(true);
  });

  it("whichever step it stopped at, more than once", async () => {
    const schedule = { schedule: "linear", warmupRatio: 0.3 } as const;
    const whole = join(await temporaryFolder(), "run");
    await runInto(whole, { fit: schedule });
    const output = await interruptedRun({ abortAt: 1, fit: schedule });
    for (const abortAt of [5, 9]) {
      const resume = () => runInto(output, { abortAt, fit: { ...schedule, resume: true } });
      await expectRATError(resume, "ERR_RAT_ABORTED");
    }
    await runInto(output, { fit: { ...schedule, resume: true } });
    expect(await logOf(output)).toBe(await logOf(whole));
    expect((await weightsOf(output)).equals(await weightsOf(whole))).toBe(true);
  });

  it("whatever was going on when it stopped: a step, an evaluation, a checkpoint", async () => {
    const busy = { evalEvery: 1, checkpointEvery: 1 };
    const whole = join(await temporaryFolder(), "run");
    await runInto(whole, { fit: busy });
    const output = join(await temporaryFolder(), "run");
    let isFinished = false;
    for (let delay = 5; !isFinished; delay += 7) {
      await using trainer = await toyTrainer();
      const run = trainer.fit({ ...fit, ...busy, output, resume: true, signal: AbortSignal.timeout(delay) });
      isFinished = await run.then(
        () => true,
        (error) => {
          expect(String(error)).toMatch(/^AbortError/);
          return false;
        },
      );
    }
    expect(await logOf(output)).toBe(await logOf(whole));
    expect((await weightsOf(output)).equals(await weightsOf(whole))).toBe(true);
  });

  it("also in its last test, with the best weights back", async () => {
    // At rate 0 the first evaluation is the best.
    const still = { learningRate: 0 };
    const whole = join(await temporaryFolder(), "run");
    const summary = await runInto(whole, { fit: still });
    const output = join(await temporaryFolder(), "run");
    await using trainer = await toyTrainer();
    const controller = new AbortController();
    const run = trainer.fit({ ...fit, ...still, output, signal: controller.signal });
    await expectRATError(async () => {
      for await (const event of run) if (event.type === "eval" && event.step === 18) controller.abort();
    }, "ERR_RAT_ABORTED");
    const resumed = await runInto(output, { fit: { ...still, resume: true } });
    expect(withoutTimes(resumed)).toEqual(withoutTimes(summary));
    expect(await logOf(output)).toBe(await logOf(whole));
    expect((await weightsOf(output)).equals(await weightsOf(whole))).toBe(true);
  });

  it("also one that began after another run of its trainer", async () => {
    const first = { epochs: 1, batchSize: 16, learningRate: 0.02 };
    const whole = join(await temporaryFolder(), "run");
    await using steady = await toyTrainer();
    await steady.fit(first);
    const summary = await steady.fit({ ...fit, output: whole });
    expect(summary.steps).toBe(24);

    const output = join(await temporaryFolder(), "run");
    await using interrupted = await toyTrainer();
    await interrupted.fit(first);
    const controller = new AbortController();
    const run = interrupted.fit({ ...fit, output, signal: controller.signal });
    await expectRATError(async () => {
      for await (const { step } of run) if (step === 10) controller.abort();
    }, "ERR_RAT_ABORTED");
    // Another process knows nothing of the first run: all that matters stands in the checkpoint.
    const resumed = await runInto(output, { fit: { resume: true } });
    expect(withoutTimes(resumed)).toEqual(withoutTimes(summary));
    expect(await logOf(output)).toBe(await logOf(whole));
    expect((await weightsOf(output)).equals(await weightsOf(whole))).toBe(true);
  });

  it("patience and the best model so far go on too", async () => {
    // At rate 0 the first evaluation is the best, and the fourth exhausts patience.
    const options = { fit: { epochs: 9, learningRate: 0, patience: 3 } };
    const whole = join(await temporaryFolder(), "run");
    const summary = await runInto(whole, options);
    expect(summary).toMatchObject({ steps: 24, bestStep: 6 });
    const output = await interruptedRun({ ...options, abortAt: 14 });
    const resumed = await runInto(output, { fit: { ...options.fit, resume: true } });
    expect(withoutTimes(resumed)).toEqual(withoutTimes(summary));
    expect(await logOf(output)).toBe(await logOf(whole));
  });
});

describe("checkpoints", () => {
  it.each([
    [1, ["step-18"]],
    [9, ["step-10", "step-15", "step-18", "step-5"]],
  ])("stay by number: %d", async (keepCheckpoints, expected) => {
    const output = join(await temporaryFolder(), "run");
    await runInto(output, { fit: { checkpointEvery: 5, keepCheckpoints } });
    expect(await checkpointsOf(output)).toEqual(expected);
  });

  it("come every N steps, and the last two stay", async () => {
    const output = join(await temporaryFolder(), "run");
    await runInto(output, { fit: { checkpointEvery: 5 } });
    expect(await checkpointsOf(output)).toEqual(["step-15", "step-18"]);
    expect((await readdir(join(output, "checkpoints", "step-18"))).sort()).toEqual([
      "best.safetensors",
      "model.safetensors",
      "optimizer.safetensors",
      "state.json",
    ]);
  });

  it("an abort before the first step can be resumed", async () => {
    const output = join(await temporaryFolder(), "run");
    await using trainer = await toyTrainer();
    const controller = new AbortController();
    const run = trainer.fit({ ...fit, output, signal: controller.signal });
    const ended = expectRATError(() => run, "ERR_RAT_ABORTED");
    await trainerStarts(output);
    controller.abort();
    await ended;
    await trainer.fit({ ...fit, output, resume: true });
    const whole = join(await temporaryFolder(), "run");
    await runInto(whole);
    expect(await logOf(output)).toBe(await logOf(whole));
  });

  it("an abort around the loading of a checkpoint loses nothing", async () => {
    const output = await twoCheckpoints();
    for (let delay = 0; delay < 10; delay++) {
      const controller = new AbortController();
      const info = (message: string) => {
        if (message.startsWith("Going on")) setTimeout(() => controller.abort(), delay);
      };
      await using trainer = await toyTrainer({ logger: { info, warn: () => {} } });
      const run = trainer.fit({ ...fit, output, resume: true, signal: controller.signal });
      await run.catch((error) => expect(String(error)).toMatch(/^AbortError/));
    }
    await runInto(output, { fit: { resume: true } });
    expect((await weightsOf(output)).equals(await weightsOf(await finished()))).toBe(true);
  });

  it("with none the run starts afresh and says so", async () => {
    const output = join(await temporaryFolder(), "run");
    const said: string[] = [];
    const logger = { info: (message: string) => said.push(message), warn: () => {} };
    const summary = await runInto(output, { trainer: { logger }, fit: { resume: true } });
    expect(said.join("\n")).toMatch(/no checkpoint in .*starts afresh/);
    expect(summary.steps).toBe(18);
  });

  it("a finished run goes on for more epochs, at a constant rate as if it had never ended", async () => {
    const output = join(await temporaryFolder(), "run");
    await runInto(output);
    const summary = await runInto(output, { fit: { epochs: 5, resume: true } });
    expect(summary.steps).toBe(30);
    const whole = join(await temporaryFolder(), "run");
    await runInto(whole, { fit: { epochs: 5 } });
    expect(await logOf(output)).toBe(await logOf(whole));
    expect((await weightsOf(output)).equals(await weightsOf(whole))).toBe(true);
  });

  it("where the rate falls, it goes on with that of the longer schedule", async () => {
    const output = join(await temporaryFolder(), "run");
    const linear = { schedule: "linear", learningRate: 0.01 } as const;
    await runInto(output, { fit: linear });
    const first = await logOf(output);
    await runInto(output, { fit: { ...linear, epochs: 6, resume: true } });
    const steps = (await logOf(output))
      .split("\n")
      .filter((line) => line.startsWith('{"type":"step"'))
      .map((line) => JSON.parse(line) as { step: number; learningRate: number });
    expect(await logOf(output)).toContain(first.split("\n").slice(0, 18).join("\n"));
    expect(steps.map(({ step }) => step)).toEqual(Array.from({ length: 36 }, (_, i) => i + 1));
    expect(steps[18]?.learningRate).toBeCloseTo(0.005, 10);
  });

  it("a finished run that is resumed says so, and takes no step again", async () => {
    const output = join(await temporaryFolder(), "run");
    const summary = await runInto(output);
    const [log, weights] = [await logOf(output), await weightsOf(output)];
    const said: string[] = [];
    const logger = { info: (message: string) => said.push(message), warn: () => {} };
    const again = await runInto(output, { trainer: { logger }, fit: { resume: true } });
    expect(said.join("\n")).toMatch(/is finished: 18 steps are done.*`epochs` above 3/);
    expect(withoutTimes(again)).toEqual(withoutTimes(summary));
    expect(await logOf(output)).toBe(log);
    expect((await weightsOf(output)).equals(weights)).toBe(true);
  });

  it("bad call - resume of a finished run that kept no checkpoint", async () => {
    const output = join(await temporaryFolder(), "run");
    await runInto(output, { fit: { checkpointEvery: 5, keepCheckpoints: 0 } });
    expect((await readdir(output)).sort()).toEqual([
      ...["config.json", "log.jsonl", "model", "report.json", "report.md", "summary.json"],
    ]);
    const weights = await weightsOf(output);
    const resume = () => runInto(output, { fit: { resume: true } });
    await expectRATError(resume, "ERR_RAT_CHECKPOINT_NOT_FOUND", /is finished and kept no checkpoint/);
    expect((await weightsOf(output)).equals(weights)).toBe(true);
  });
});

/** Resolves when the run has made its folder ready. */
async function trainerStarts(output: string): Promise<void> {
  for (;;) {
    const names = await readdir(output).catch((): string[] => []);
    if (names.includes("log.jsonl")) return;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

describe("damage", () => {
  const damages: [string, (checkpoint: string) => Promise<void>][] = [
    ["weights cut short", (path) => truncate(join(path, "model.safetensors"), 500)],
    ["a changed byte of weights", (path) => flipByte(join(path, "model.safetensors"))],
    ["a changed byte of optimizer state", (path) => flipByte(join(path, "optimizer.safetensors"))],
    ["more bytes than there were", (path) => appendFile(join(path, "best.safetensors"), "x")],
    ["a file gone", (path) => rm(join(path, "optimizer.safetensors"))],
    ["a state cut short", (path) => truncate(join(path, "state.json"), 100)],
    ["an empty state", (path) => truncate(join(path, "state.json"), 0)],
    ["a changed state", (path) => replaceIn(join(path, "state.json"), '\\"step\\":', '\\"step\\":1')],
    ["no state", (path) => rm(join(path, "state.json"))],
    ["a state that is a number", (path) => writeFile(join(path, "state.json"), "5")],
  ];

  it.each(damages)("%s: the one before is taken, with a warning", async (_, damage) => {
    const output = await twoCheckpoints();
    await damage(join(output, "checkpoints", "step-10"));
    const warnings: string[] = [];
    const logger = { info: () => {}, warn: (message: string) => warnings.push(message) };
    await runInto(output, { trainer: { logger }, fit: { checkpointEvery: 5, resume: true } });
    expect(warnings.join("\n")).toMatch(/damaged checkpoint is passed over, step-10/);
    expect((await weightsOf(output)).equals(await weightsOf(await finished()))).toBe(true);
    expect(await checkpointsOf(output)).toEqual(["step-15", "step-18"]);
  });

  it("bad call - resume when all are damaged", async () => {
    const output = await twoCheckpoints();
    for (const name of await checkpointsOf(output)) {
      await flipByte(join(output, "checkpoints", name, "model.safetensors"));
    }
    const resume = () => runInto(output, { fit: { resume: true } });
    await expectRATError(resume, "ERR_RAT_CHECKPOINT_CORRUPT", /step-10.*step-5/);
  });
});

describe("misuse", () => {
  const others: [string, Partial<TrainerOptions>, FitOptions, RegExp][] = [
    ["another batch size", {}, { batchSize: 8 }, /batchSize was 16, now 8/],
    ["another learning rate", {}, { learningRate: 0.02 }, /learningRate/],
    ["another seed", { seed: 2 }, {}, /seed was 1, now 2/],
    ["another method", { regularizer: { type: "fgm" } }, {}, /regularizer/],
    ["another epsilon", { regularizer: { type: "r-at", epsilon: 2 } }, {}, /epsilon was 1, now 2/],
    ["another dropout", { dropout: 0.1 }, {}, /dropout/],
    ["another model", { model: { type: "textcnn", embeddingSize: 8 } }, {}, /model/],
    ["other training data", { task: toyTaskWith({ train: toyExamples(96, 99) }) }, {}, /trainingData/],
    ["other dev data", { task: toyTaskWith({ dev: null }) }, {}, /devData/],
    ["a schedule", {}, { schedule: "linear" }, /schedule was "constant", now "linear"/],
    ["another order", {}, { shuffle: false }, /shuffle/],
  ];
  it.each(others)("bad call - resume with %s", async (_, trainer, changed, message) => {
    const output = await twoCheckpoints();
    const resume = () => runInto(output, { trainer, fit: { ...changed, resume: true } });
    await expectRATError(resume, "ERR_RAT_RESUME_CONFIG", message);
  });

  it("bad call - resume with other threads, unless that is allowed", async () => {
    const output = await twoCheckpoints();
    const resume = (allowResumeElsewhere: boolean) => () =>
      runInto(output, { trainer: { threads: 2 }, fit: { resume: true, allowResumeElsewhere } });
    await expectRATError(resume(false), "ERR_RAT_RESUME_ENV", /threads was 1, now 2/);
    await expect(resume(true)()).resolves.toMatchObject({ steps: 18 });
  });

  describe("elsewhere", () => {
    const here: RunEnvironment = {
      ...{ libtorch: "2.13.0", addon: "a", cpuCapability: "AVX512" },
      ...{ device: "cuda:0", deviceName: "NVIDIA H100", threads: 2 },
    };
    const resumeFrom = (environment: Partial<RunEnvironment>) => () =>
      checkResume(
        { path: "c", state: { identity: {}, step: 0, lastStep: 1, environment } } as unknown as Checkpoint,
        { identity: {}, lastStep: 1, environment: here, allowElsewhere: false },
      );

    it.each<[Partial<RunEnvironment>, RegExp]>([
      [{ addon: "b" }, /addon was "b", now "a"/],
      [{ deviceName: "NVIDIA A100" }, /deviceName was "NVIDIA A100", now "NVIDIA H100"/],
      [{ libtorch: "2.12.0" }, /libtorch/],
    ])("bad call - resume after a run with %o", async (other, words) => {
      await expectRATError(async () => resumeFrom({ ...here, ...other })(), "ERR_RAT_RESUME_ENV", words);
    });

    it("a checkpoint from before the build and the GPU were kept is taken", () => {
      const { addon: _, deviceName: __, ...before } = here;
      expect(resumeFrom(before)).not.toThrow();
      expect(resumeFrom(here)).not.toThrow();
    });
  });

  it("bad call - resume and overwrite", async () => {
    const output = await twoCheckpoints();
    await expectRATError(() => runInto(output, { fit: { resume: true, overwrite: true } }), "ERR_RAT_CONFIG");
  });

  it("a refused resume leaves the run as it was", async () => {
    const output = await twoCheckpoints();
    const before = await logOf(output);
    await expectRATError(
      () => runInto(output, { fit: { resume: true, batchSize: 8 } }),
      "ERR_RAT_RESUME_CONFIG",
    );
    expect(await logOf(output)).toBe(before);
    expect(await checkpointsOf(output)).toEqual(["step-10", "step-5"]);
    await runInto(output, { fit: { resume: true } });
  });
});

let finishedRun: Promise<string> | undefined;

/** The folder of a whole run. */
function finished(): Promise<string> {
  finishedRun ??= (async () => {
    const output = join(await temporaryFolder(), "run");
    await runInto(output);
    return output;
  })();
  return finishedRun;
}

let template: Promise<string> | undefined;

/** A copy of a run that ended after 12 of 18 steps, with the checkpoints of steps 5 and 10. */
async function twoCheckpoints(): Promise<string> {
  template ??= (async () => {
    const output = join(await temporaryFolder(), "run");
    await runInto(output, { fit: { maxSteps: 12, checkpointEvery: 5, keepCheckpoints: 3 } });
    // As a kill after twelve steps leaves it.
    for (const name of ["checkpoints/step-12", "summary.json"])
      await rm(join(output, name), { recursive: true });
    return output;
  })();
  const output = join(await temporaryFolder(), "run");
  await cp(await template, output, { recursive: true });
  return output;
}

async function flipByte(path: string): Promise<void> {
  const bytes = await readFile(path);
  const place = bytes.length - 3;
  bytes.writeUInt8(bytes.readUInt8(place) ^ 1, place);
  await writeFile(path, bytes);
}

async function replaceIn(path: string, before: string, after: string): Promise<void> {
  const text = await readFile(path, "utf8");
  expect(text).toContain(before);
  await writeFile(path, text.replace(before, after));
}
