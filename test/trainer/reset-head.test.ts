/** A folder's model with a new head: its body is kept, its head is that of a new model of the same seed. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { MODEL_TYPES } from "#dist/config/fields.js";
import type { ModelOptions } from "#dist/config/schema.js";
import type { LoadedTask } from "#dist/datasets/types.js";
import type { RATTrainer } from "#dist/trainer/rat-trainer.js";
import { readSafetensors } from "../support/safetensors.js";
import { expectRATError, scoreTask, temporaryFolder, toyTask, toyTrainer } from "./toy.js";

const threeClasses: LoadedTask = {
  ...toyTask,
  name: "three",
  labels: ["awful", "so-so", "fine"],
  train: toyTask.train.map((example, row) => ({
    ...example,
    label: row % 3 === 0 ? "so-so" : example.label === "bad" ? "awful" : "fine",
  })),
  dev: null,
  test: null,
};

const quick = { epochs: 1, batchSize: 16, learningRate: 0.01 };

async function save(trainer: RATTrainer): Promise<string> {
  const folder = join(await temporaryFolder(), "model");
  await trainer.save(folder);
  return folder;
}

const weightsOf = (folder: string) => readSafetensors(join(folder, "model.safetensors"));

/** The folder of a tiny model that has learnt `task` a little. */
async function trainedFolder(type: (typeof MODEL_TYPES)[number], task = toyTask): Promise<string> {
  await using trainer = await toyTrainer({ model: { type, embeddingSize: 16, hiddenSize: 8 }, task });
  await trainer.fit(quick);
  return await save(trainer);
}

const onFolder = (path: string, task: LoadedTask, resetHead?: boolean) =>
  toyTrainer({ model: { path }, tokenizer: undefined, task, seed: 7, resetHead });

describe("resetHead", () => {
  it.each(MODEL_TYPES)("keeps the body of a %s and takes the head of a new model", async (type) => {
    const folder = await trainedFolder(type);
    await using trainer = await onFolder(folder, threeClasses, true);
    expect(trainer.labels).toEqual(threeClasses.labels);
    const model: ModelOptions = { type, embeddingSize: 16, hiddenSize: 8 };
    await using fresh = await toyTrainer({ model, task: threeClasses, seed: 7 });
    const [old, combined, initial] = [folder, await save(trainer), await save(fresh)].map(weightsOf);
    expect([...(combined?.keys() ?? [])].sort()).toEqual([...(initial?.keys() ?? [])].sort());
    for (const [name, values] of combined ?? []) {
      expect(values, name).toEqual((name.startsWith("classifier.") ? initial : old)?.get(name));
    }
    expect(combined?.get("classifier.bias")).toHaveLength(3);
  });

  it("trains and is saved for the new labels", async () => {
    await using trainer = await onFolder(await trainedFolder("textcnn"), threeClasses, true);
    await trainer.fit(quick);
    const folder = await save(trainer);
    const config = JSON.parse(await readFile(join(folder, "config.json"), "utf8"));
    expect(Object.values(config.id2label)).toEqual(threeClasses.labels);
    await using again = await onFolder(folder, threeClasses);
    expect(await again.predict(["fine w1"])).toEqual(await trainer.predict(["fine w1"]));
  });

  it("also where the labels are the same, and from a regression to classes and back", async () => {
    const folder = await trainedFolder("textcnn");
    await using same = await onFolder(folder, { ...toyTask, labels: ["good", "bad"] }, true);
    expect(same.labels).toEqual(["good", "bad"]);
    expect(weightsOf(await save(same)).get("classifier.weight")).not.toEqual(
      weightsOf(folder).get("classifier.weight"),
    );
    await using score = await onFolder(folder, scoreTask, true);
    await score.fit(quick);
    expect(await score.predict(["fine"])).toEqual([{ score: expect.any(Number) }]);
    await using classes = await onFolder(await save(score), toyTask, true);
    expect(classes.kind).toBe("classification");
    expect((await classes.predict(["fine"]))[0]?.label).toMatch(/good|bad/);
  });

  it("stands in the record of a run", async () => {
    const folder = await trainedFolder("textcnn");
    await using trainer = await onFolder(folder, threeClasses, true);
    const output = join(await temporaryFolder(), "run");
    await trainer.fit({ maxSteps: 1, output });
    const record = JSON.parse(await readFile(join(output, "config.json"), "utf8"));
    expect(record).toMatchObject({ model: folder, resetHead: true });
  });

  it("bad call - other labels without it: both sets and the flag are named", async () => {
    const folder = await trainedFolder("textcnn");
    const message = /2 classes \(bad, good\).*3 classes \(awful, so-so, fine\).*`resetHead`/;
    await expectRATError(() => onFolder(folder, threeClasses), "ERR_RAT_MODEL_MISMATCH", message);
    await expectRATError(() => onFolder(folder, scoreTask, false), "ERR_RAT_MODEL_MISMATCH", /regression/);
  });

  it("bad call - for a new model", async () => {
    await expectRATError(
      () => toyTrainer({ resetHead: true }),
      "ERR_RAT_CONFIG",
      /resetHead is for the model/,
    );
  });
});
