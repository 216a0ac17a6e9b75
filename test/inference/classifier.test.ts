import { cp, readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { Classifier } from "#dist/inference/classifier.js";
import { RATTrainer } from "#dist/trainer/rat-trainer.js";
import {
  expectRATError,
  scoreTask,
  temporaryFolder,
  toyExamples,
  toyTask,
  toyTrainer,
} from "../trainer/toy.js";

let model: string;

beforeAll(async () => {
  model = join(await temporaryFolder(), "model");
  await using trainer = await toyTrainer();
  await trainer.fit({ epochs: 4, batchSize: 16, learningRate: 0.01 });
  await trainer.save(model);
});

/** A copy that a test may damage. */
async function copyOfModel(): Promise<string> {
  const folder = join(await temporaryFolder(), "model");
  await cp(model, folder, { recursive: true });
  return folder;
}

const load = (folder = model) => Classifier.load(folder, { threads: 1, device: "cpu" });

describe("evaluates", () => {
  it("as the trainer does, whatever the order of the task's labels", async () => {
    await using classifier = await load();
    await using trainer = await toyTrainer({ model: { path: model }, tokenizer: undefined });
    const expected = await trainer.evaluate("test");
    expect(expected.metrics.accuracy).toBeGreaterThan(0.8);
    for (const labels of [toyTask.labels, [...toyTask.labels].reverse()])
      expect(await classifier.evaluate(toyTask.test ?? [], { ...toyTask, labels })).toEqual(expected);
  });

  it("with the metrics of the task, and F1 as it wants it", async () => {
    await using classifier = await load();
    const task = { ...toyTask, metrics: ["f1", "matthews"] } as const;
    const { metrics } = await classifier.evaluate(toyTask.dev ?? [], { ...task, f1Average: "binary" });
    expect(Object.keys(metrics)).toEqual(["f1", "matthews"]);
  });

  it.each([
    ["other labels", { labels: ["a", "b", "c"] }, "ERR_RAT_MODEL_MISMATCH"],
    ["another kind of task", { kind: "regression", labels: [] }, "ERR_RAT_MODEL_MISMATCH"],
  ] as const)("expected failure - %s", async (_, changes, code) => {
    await using classifier = await load();
    await expectRATError(() => classifier.evaluate([], { ...toyTask, ...changes }), code);
  });
});

describe("predicts", () => {
  it("the class with its probability", async () => {
    await using classifier = await load();
    expect([classifier.kind, ...classifier.labels]).toEqual(["classification", "bad", "good"]);
    const [fine, awful] = await classifier.predict(["w1 w2 fine w3", { text: "w4 awful" }]);
    expect(fine).toMatchObject({ label: "good" });
    expect(awful).toMatchObject({ label: "bad" });
    expect(fine?.probabilities).toMatchObject({ good: fine?.probability });
    expect(fine?.probability).toBeGreaterThan(0.5);
  });

  it("what the trainer predicts, in the order of the inputs", async () => {
    const examples = toyExamples(700, 21);
    await using classifier = await load();
    await using trainer = await toyTrainer({ model: { path: model }, tokenizer: undefined });
    const predictions = await classifier.predict(examples);
    expect(predictions).toEqual(await trainer.predict(examples));
    const right = predictions.filter(({ label }, row) => label === examples[row]?.label).length;
    expect(right / examples.length).toBeGreaterThan(0.9);
  });

  it("one text, no text, an empty text, a pair, unknown words", async () => {
    await using classifier = await load();
    expect(await classifier.predict("fine")).toHaveLength(1);
    expect(await classifier.predict([])).toEqual([]);
    expect(await classifier.predict(["", " ", { text: "a", pair: "b" }, "zzz qqq"])).toHaveLength(4);
  });

  it("a score", async () => {
    const folder = join(await temporaryFolder(), "model");
    await using trainer = await toyTrainer({ task: scoreTask });
    await trainer.save(folder);
    await using classifier = await load(folder);
    expect([classifier.kind, ...classifier.labels]).toEqual(["regression"]);
    const [prediction] = await classifier.predict("fine");
    expect(prediction).toEqual({ score: expect.any(Number) });
  });

  it("one text for each of many callers as it does all of them, and the error of one is its own", async () => {
    await using classifier = await load();
    const texts = Array.from({ length: 100 }, (_, i) => `a ${i % 2 ? "dull" : "great"} film ${i}`);
    const together = await classifier.predict(texts);
    const calls = texts.map((text) => classifier.predict(text));
    const refused = classifier.predict([{ text: 1 }] as never);
    const bad = expectRATError(() => refused, "ERR_RAT_INVALID_ARG", /texts\[0\]\.text/);
    for (const [i, call] of calls.entries()) {
      const [own] = await call;
      expect(own?.label).toBe(together[i]?.label);
      expect(own?.probability).toBeCloseTo(together[i]?.probability ?? Number.NaN, 5);
    }
    await bad;
  });

  it("knows its limits and place, and warms up", async () => {
    await using classifier = await load();
    expect(classifier).toMatchObject({
      device: "cpu",
      maxLength: expect.any(Number),
      labels: toyTask.labels,
    });
    await classifier.warmUp();
    const bad = () => Classifier.load(model, { batching: { maxTexts: 0 } });
    await expectRATError(bad, "ERR_RAT_INVALID_ARG", /batching\.maxTexts/);
  });

  it("for several callers at once", async () => {
    await using classifier = await load();
    const texts = toyExamples(40, 22).map(({ text }) => text);
    const alone = await classifier.predict(texts);
    const together = await Promise.all([1, 2, 3].map(() => classifier.predict(texts)));
    for (const predictions of together) expect(predictions).toEqual(alone);
  });
});

describe("states", () => {
  it("bad call - predict after dispose", async () => {
    const classifier = await load();
    await classifier.dispose();
    await classifier.dispose();
    await expectRATError(() => classifier.predict("a"), "ERR_RAT_DISPOSED");
  });

  it("dispose ends what is in progress", async () => {
    const classifier = await load();
    const texts = toyExamples(50_000, 23);
    const ended = expectRATError(() => classifier.predict(texts), "ERR_RAT_ABORTED");
    await classifier.dispose();
    expect((await ended).cause).toMatchObject({ code: "ERR_RAT_DISPOSED" });
  });

  it("bad call - aborted before and during", async () => {
    await using classifier = await load();
    const { signal } = new AbortController();
    await classifier.predict("a", { signal });
    await expectRATError(
      () => classifier.predict("a", { signal: AbortSignal.abort("no") }),
      "ERR_RAT_ABORTED",
    );
    const texts = toyExamples(50_000, 23);
    await expectRATError(
      () => classifier.predict(texts, { signal: AbortSignal.timeout(5) }),
      "ERR_RAT_ABORTED",
    );
    await expectRATError(() => Classifier.load(model, { signal: AbortSignal.abort() }), "ERR_RAT_ABORTED");
  });
});

describe("misuse", () => {
  it("bad call - no folder", async () => {
    await expectRATError(() => load("./no/such"), "ERR_RAT_PATH", /no\/such/);
    await expectRATError(() => load(join(model, "config.json")), "ERR_RAT_PATH", /not a folder/);
    await expectRATError(() => Classifier.load(undefined as never), "ERR_RAT_INVALID_ARG");
  });

  it("bad call - a file missing", async () => {
    for (const name of ["config.json", "model.safetensors", "tokenizer.json"]) {
      const folder = await copyOfModel();
      await rm(join(folder, name));
      await expectRATError(() => load(folder), "ERR_RAT_PATH", new RegExp(name.replace(".", "\\.")));
    }
  });

  it("bad call - weights in a pickle file only", async () => {
    const folder = await copyOfModel();
    await rename(join(folder, "model.safetensors"), join(folder, "pytorch_model.bin"));
    await expectRATError(() => load(folder), "ERR_RAT_UNSAFE_FORMAT", /pytorch_model\.bin.*safetensors/);
  });

  it("bad call - weights cut short", async () => {
    const folder = await copyOfModel();
    await truncate(join(folder, "model.safetensors"), 300);
    await expectRATError(() => load(folder), "ERR_RAT_SAFETENSORS_INVALID");
  });

  it("bad call - weights that are no numbers", async () => {
    const folder = await copyOfModel();
    const file = join(folder, "model.safetensors");
    const bytes = await readFile(file);
    bytes.fill(0xff, 8 + Number(bytes.readBigUInt64LE(0))); // every float becomes NaN
    await writeFile(file, bytes);
    await using classifier = await load(folder);
    await expectRATError(() => classifier.predict("fine"), "ERR_RAT_NON_FINITE", /weights are damaged/);
  });

  it("bad call - weights of another size", async () => {
    const folder = await copyOfModel();
    const file = join(folder, "config.json");
    await writeFile(file, (await readFile(file, "utf8")).replace('"hidden_size": 16', '"hidden_size": 8'));
    await expectRATError(() => load(folder), "ERR_RAT_MODEL_MISMATCH", /convs\.0\.weight/);
  });

  it("bad call - a tokenizer of another model", async () => {
    const folder = await copyOfModel();
    const file = join(folder, "config.json");
    await writeFile(file, (await readFile(file, "utf8")).replace(/"vocab_size": \d+/, '"vocab_size": 5'));
    await expectRATError(() => load(folder), "ERR_RAT_MODEL_MISMATCH", /tokens/);
  });

  it("bad call - a damaged tokenizer", async () => {
    const folder = await copyOfModel();
    await writeFile(join(folder, "tokenizer.json"), "{}");
    await expectRATError(() => load(folder), "ERR_RAT_TOKENIZER_INVALID");
  });

  it("bad call - options that do not exist", async () => {
    await expectRATError(
      () => Classifier.load(model, { thread: 1 } as never),
      "ERR_RAT_CONFIG",
      /mean threads/,
    );
    await expectRATError(() => Classifier.load(model, { device: "gpu" }), "ERR_RAT_CONFIG", /cuda:N/);
  });

  it("bad call - predict with a signal that is none", async () => {
    await using classifier = await load();
    await expectRATError(() => classifier.predict("a", { signal: {} as never }), "ERR_RAT_INVALID_ARG");
    await expectRATError(() => classifier.predict("a", null as never), "ERR_RAT_INVALID_ARG", /options/);
  });

  it.each([[null], [7], [[null]], [[{}]]])("bad call - predict %j", async (texts) => {
    await using classifier = await load();
    await expectRATError(() => classifier.predict(texts as never), "ERR_RAT_INVALID_ARG", /texts/);
  });

  it("bad call - training on classes that the model does not have", async () => {
    const task = { ...toyTask, labels: ["bad", "good", "ugly"] };
    const create = () => RATTrainer.create({ model: { path: model }, task, threads: 1 });
    await expectRATError(create, "ERR_RAT_MODEL_MISMATCH", /2 classes \(bad, good\).*3 classes/);
    const other = () => RATTrainer.create({ model: { path: model }, task: scoreTask, threads: 1 });
    await expectRATError(other, "ERR_RAT_MODEL_MISMATCH", /regression/);
  });
});

it("the example of the documentation compiles and runs on any task", async () => {
  const { RATTrainer: Trainer, trainTokenizer } = await import("#dist/index.js");
  const tokenizer = await trainTokenizer(toyTask.train, { vocabularySize: 30_000 });
  const folder = join(await temporaryFolder(), "model");
  await using trainer = await Trainer.create({
    model: { type: "textcnn" },
    task: toyTask,
    tokenizer,
    regularizer: { type: "r-at", epsilon: 1, klWeight: 0.5 },
    seed: 1,
  });
  const run = trainer.fit({ maxSteps: 2, signal: new AbortController().signal });
  for await (const event of run) if (event.type === "eval") expect(event.metrics).toHaveProperty("accuracy");
  await trainer.save(folder);
  await using classifier = await Classifier.load(folder);
  const [top] = await classifier.predict(["a great film"]);
  expect(toyTask.labels).toContain(top?.label);
});
