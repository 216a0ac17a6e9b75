import type { Stats } from "node:fs";
import fs, { type FileHandle, mkdir, open, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { hostname } from "node:os";
import { basename, join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { resolveRunConfig } from "#dist/config/resolve.js";
import { loadTask } from "#dist/datasets/load-task.js";
import { fitOptions, taskOptions, trainerOptions } from "#dist/pipeline/options.js";
import type { FitOptions } from "#dist/run/options.js";
import { RATTrainer } from "#dist/trainer/rat-trainer.js";
import {
  eventsOf,
  expectRATError,
  temporaryFolder,
  toyTask,
  toyTokenizer,
  toyTrainer,
} from "../trainer/toy.js";

const fit = { epochs: 1, batchSize: 16, learningRate: 0.01 } satisfies FitOptions;

async function newRun(options: FitOptions = {}): Promise<string> {
  const output = join(await temporaryFolder(), "new", "run");
  await using trainer = await toyTrainer();
  await trainer.fit({ ...fit, output, ...options });
  return output;
}

const readJson = async (...path: string[]) => JSON.parse(await readFile(join(...path), "utf8"));

it("holds config.json, log.jsonl, summary.json and the model, and no lock", async () => {
  const output = await newRun();
  expect((await readdir(output)).sort()).toEqual([
    ...["checkpoints", "config.json", "log.jsonl", "model", "report.json", "report.md", "summary.json"],
  ]);
  expect((await readdir(join(output, "model"))).sort()).toEqual([
    "config.json",
    "model.safetensors",
    "tokenizer.json",
  ]);
});

it("reports each class of dev and test, of the model that is kept, as JSON and Markdown", async () => {
  const output = await newRun({ epochs: 2 });
  const report = await readJson(output, "report.json");
  const { dev, test } = await readJson(output, "summary.json");
  expect(Object.keys(report)).toEqual(["dev", "test"]);
  expect(report).toMatchObject({ dev: { metrics: dev }, test: { metrics: test } });
  expect(report.test.report.classes.map(({ label }: { label: string }) => label)).toEqual(toyTask.labels);
  expect(report.test.report.macro.f1).toBeCloseTo(test.f1, 12);
  const rows = report.test.confusionMatrix.flat().reduce((sum: number, count: number) => sum + count, 0);
  expect(rows).toBe(report.test.report.macro.support);
  const text = await readFile(join(output, "report.md"), "utf8");
  expect(text).toMatch(/^# run\n\n## dev\n\nloss .* macro F1 .* weighted F1 /);
});

it("log.jsonl holds the step and eval events, one a line", async () => {
  const output = join(await temporaryFolder(), "run");
  await using trainer = await toyTrainer();
  const events = await eventsOf(trainer.fit({ ...fit, output, logEvery: 2, checkpointEvery: 4 }));
  const lines = (await readFile(join(output, "log.jsonl"), "utf8")).trimEnd().split("\n");
  const logged = events.filter(({ type }) => type === "step" || type === "eval");
  expect(lines.map((line) => JSON.parse(line))).toEqual(logged);
  expect(Object.keys(logged[0] ?? {})).toEqual([
    ...["type", "step", "epoch", "loss", "cleanLoss", "adversarialLoss", "klLoss", "deltaNorm", "gradNorm"],
    ...["learningRate", "examples", "tokens"],
  ]);
  expect(events.filter(({ type }) => type === "checkpoint")).toMatchObject([{ step: 4 }, { step: 6 }]);
});

it("the log is on the disk before a checkpoint of its steps, or the summary, is there", async () => {
  const output = join(await temporaryFolder(), "run");
  const log = join(output, "log.jsonl");
  const place = ({ dev, ino }: Stats) => `${dev}:${ino}`;
  let bytesOnDisk = 0;
  const renames: { name: string; bytesOfLog: number; bytesOnDisk: number }[] = [];
  const handle = await open(process.execPath);
  const prototype = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
  const { sync } = prototype;
  vi.spyOn(prototype, "sync").mockImplementation(async function (this: FileHandle) {
    await sync.call(this);
    const [own, logged] = [await this.stat(), await fs.stat(log).catch(() => undefined)];
    if (logged && place(own) === place(logged)) bytesOnDisk = own.size;
  });
  const { rename } = fs;
  vi.spyOn(fs, "rename").mockImplementation(async (from, to) => {
    const bytesOfLog = (await readFile(log).catch(() => "")).length;
    renames.push({ name: basename(String(to)), bytesOfLog, bytesOnDisk });
    await rename(from, to);
  });
  syncBuiltinESMExports();
  try {
    await using trainer = await toyTrainer();
    await trainer.fit({ ...fit, output, logEvery: 1, checkpointEvery: 3 });
  } finally {
    vi.restoreAllMocks();
    syncBuiltinESMExports();
  }
  const after = (name: string) => renames.filter((entry) => entry.name === name);
  for (const name of ["step-3", "step-6", "summary.json"]) {
    const [entry] = after(name);
    expect(entry?.bytesOfLog).toBeGreaterThan(0);
    expect(entry?.bytesOnDisk).toBe(entry?.bytesOfLog);
  }
});

it("summary.json is the summary", async () => {
  const output = join(await temporaryFolder(), "run");
  await using trainer = await toyTrainer();
  const summary = await trainer.fit({ ...fit, output });
  const written = await readJson(output, "summary.json");
  expect(written).toEqual({ command: "train", ...summary });
  expect(Object.keys(written)).toEqual([
    ...[
      "command",
      "task",
      "model",
      "regularizer",
      "seed",
      "device",
      "precision",
      "steps",
      "bestStep",
      "dev",
      "test",
    ],
    ...["seconds", "examplesPerSecond", "tokensPerSecond", "peakMemoryBytes", "output", "provenance"],
  ]);
  expect(summary.output).toBe(output);
});

it("config.json fed back gives the same run", async () => {
  const raw = {
    task: "custom",
    train: "toy.csv",
    model: "textcnn",
    hiddenSize: 8,
    windows: 2,
    embeddingSize: 16,
  };
  const config = resolveRunConfig({ ...raw, epsilon: [0.5, 1], threads: 1, device: "cpu", ...fit });
  const train = async (from: typeof config, output: string) => {
    const task = { ...toyTask, name: "custom" };
    await using trainer = await RATTrainer.create({
      ...trainerOptions(from),
      task,
      tokenizer: await toyTokenizer(),
    });
    await trainer.fit({ ...fitOptions({ ...from, output }) });
  };
  const first = join(await temporaryFolder(), "run");
  await train(config, first);
  const { provenance, ...written } = await readJson(first, "config.json");
  expect(provenance).toMatchObject({ node: process.versions.node, data: [] });
  const again = resolveRunConfig({ ...written, provenance });
  expect(again).toEqual({ ...written, resume: false, overwrite: false, allowResumeElsewhere: false });
  const second = join(await temporaryFolder(), "run");
  await train(again, second);
  const read = (output: string, name: string) => readFile(join(output, name), "utf8");
  expect(await read(second, "log.jsonl")).toBe(await read(first, "log.jsonl"));
  expect(await readJson(second, "config.json")).toEqual({
    ...written,
    output: second,
    provenance: expect.any(Object),
  });
});

it("overwrite replaces a run, and only what a run leaves", async () => {
  const output = await newRun({ checkpointEvery: 3 });
  await writeFile(join(output, "notes.txt"), "mine");
  await using trainer = await toyTrainer();
  await trainer.fit({ ...fit, maxSteps: 2, output, overwrite: true });
  expect((await readdir(output)).sort()).toEqual([
    ...["checkpoints", "config.json", "log.jsonl", "model"],
    ...["notes.txt", "report.json", "report.md", "summary.json"],
  ]);
  expect(await readdir(join(output, "checkpoints"))).toEqual(["step-2"]);
  expect(await readJson(output, "summary.json")).toMatchObject({ steps: 2 });
});

it("a lock that a dead process left is taken over", async () => {
  const output = await temporaryFolder();
  // Process ids end far below.
  await writeFile(join(output, ".lock"), JSON.stringify({ pid: 2 ** 30, host: hostname(), started: "1" }));
  await using trainer = await toyTrainer();
  await trainer.fit({ ...fit, output });
  expect(await readdir(output)).not.toContain(".lock");
});

describe("misuse", () => {
  it("bad call - a folder that holds a run", async () => {
    const output = await newRun();
    const before = await readFile(join(output, "summary.json"), "utf8");
    await using trainer = await toyTrainer();
    await expectRATError(() => trainer.fit({ ...fit, output }), "ERR_RAT_PATH", /`resume` .*`overwrite`/);
    expect(await readFile(join(output, "summary.json"), "utf8")).toBe(before);
    expect(await readdir(output)).not.toContain(".lock");
  });

  it("bad call - a folder in which another run works", async () => {
    const output = join(await temporaryFolder(), "run");
    await using first = await toyTrainer();
    await using second = await toyTrainer();
    const run = first.fit({ maxSteps: 1_000_000, output });
    const ended = expectRATError(() => run, "ERR_RAT_ABORTED");
    // From its first event on, the lock is the first run's.
    for await (const _ of run) break;
    for (const mode of [{}, { resume: true }, { overwrite: true }]) {
      await expectRATError(
        () => second.fit({ ...fit, output, ...mode }),
        "ERR_RAT_LOCKED",
        /in use by process/,
      );
    }
    await first.dispose();
    await ended;
    await second.fit({ ...fit, output, overwrite: true });
  });

  it("bad call - a folder that is a file", async () => {
    const file = join(await temporaryFolder(), "file");
    await writeFile(file, "");
    await using trainer = await toyTrainer();
    await expectRATError(() => trainer.fit({ output: file }), "ERR_RAT_PATH", /cannot be made/);
    await expectRATError(() => trainer.fit({ output: join(file, "run") }), "ERR_RAT_PATH");
    await expectRATError(() => trainer.save(file), "ERR_RAT_PATH", /is a file/);
  });

  it("bad call - a model folder as the folder of a run", async () => {
    const output = await newRun();
    await using trainer = await toyTrainer();
    const model = join(output, "model");
    await expectRATError(
      () => trainer.fit({ ...fit, output: model, overwrite: true }),
      "ERR_RAT_PATH",
      /model folder/,
    );
  });

  it("bad call - saving into a folder of other things", async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, "photos"));
    await using trainer = await toyTrainer();
    await expectRATError(() => trainer.save(folder), "ERR_RAT_PATH", /photos/);
    expect(await readdir(folder)).toEqual(["photos"]);
    await expectRATError(() => trainer.save(""), "ERR_RAT_INVALID_ARG");
  });

  it("bad data leaves the old run as it was", async () => {
    const output = await newRun();
    await using trainer = await toyTrainer({ task: { ...toyTask, train: [{ text: "a", label: "none" }] } });
    await expectRATError(() => trainer.fit({ ...fit, output, overwrite: true }), "ERR_RAT_LABEL");
    expect((await readdir(output)).sort()).toEqual([
      ...["checkpoints", "config.json", "log.jsonl", "model", "report.json", "report.md", "summary.json"],
    ]);
  });
});

it("a model that a kill kept from being replaced is there again after a resume", async () => {
  const output = await newRun({ checkpointEvery: 2 });
  await rename(join(output, "model"), join(output, ".model.old-17-0123abcd"));
  await using trainer = await toyTrainer();
  const aborted = new AbortController();
  const run = trainer.fit({
    ...fit,
    epochs: 2,
    output,
    checkpointEvery: 2,
    resume: true,
    signal: aborted.signal,
  });
  for await (const { type } of run) {
    if (type !== "step" && type !== "checkpoint" && type !== "eval") continue;
    expect(await readdir(join(output, "model"))).toContain("model.safetensors");
    break;
  }
  await run;
});

it("a folder that is called as an architecture is stays a folder in config.json", async () => {
  const root = await temporaryFolder();
  const before = process.cwd();
  process.chdir(root);
  try {
    await using first = await toyTrainer();
    await first.save("textcnn");
    await using second = await RATTrainer.create({
      model: { path: "textcnn" },
      task: toyTask,
      device: "cpu",
      threads: 1,
    });
    await second.fit({ ...fit, output: "run" });
    const config = await readJson("run", "config.json");
    expect(config).toMatchObject({ model: join(root, "textcnn") });
    expect(config).not.toHaveProperty("windows");
    const again = resolveRunConfig({ ...config, task: "custom", data: "." });
    expect(trainerOptions(again).model).toEqual({ path: join(root, "textcnn") });
  } finally {
    process.chdir(before);
  }
});

it("the run of a loaded task says where its data came from, and can be fed back", async () => {
  const root = await temporaryFolder();
  const rows = toyTask.train.map(({ text, label }) => `${text},${label}`).join("\n");
  await writeFile(join(root, "train.csv"), `text,label\n${rows}\n`);
  const task = await loadTask("custom", { train: join(root, "train.csv"), dev: "none", limitTrain: 40 });
  await using trainer = await toyTrainer({ task });
  const output = join(root, "run");
  await trainer.fit({ ...fit, output });
  const config = resolveRunConfig(await readJson(output, "config.json"));
  expect(config).toMatchObject({
    task: "custom",
    train: join(root, "train.csv"),
    dev: "none",
    limitTrain: 40,
  });
  const again = await loadTask(config.task, taskOptions(config));
  expect(again.train).toEqual(task.train);
});
