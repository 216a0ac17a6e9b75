/** Options that only encoders have, through a folder as transformers saves it. */
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { RATTrainer, type TrainerOptions } from "r-at";
import { describe, expect, it } from "vitest";
import type { Task } from "#dist/datasets/types.js";
import { folderOf } from "../support/encoders.js";
import { eventsOf, expectRATError, temporaryFolder, toyTrainer } from "./toy.js";

/** A tiny BERT with two layers, and a tokenizer whose words are `t0` to `t39`. */
async function bertFolder(change: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const folder = join(await temporaryFolder(), "bert");
  cpSync(folderOf({ family: "bert", kind: "classification" }), folder, { recursive: true });
  const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8"));
  writeFileSync(join(folder, "config.json"), JSON.stringify({ ...config, ...change }));
  const vocab = Object.fromEntries(Array.from({ length: 40 }, (_, id) => [`t${id}`, id]));
  const model = { type: "WordLevel", vocab, unk_token: "t1" };
  writeFileSync(
    join(folder, "tokenizer.json"),
    JSON.stringify({ version: "1.0", added_tokens: [], pre_tokenizer: { type: "WhitespaceSplit" }, model }),
  );
  return folder;
}

const labels = ["class 0", "class 1", "class 2"];
const task: Task = {
  ...{ name: "toy", kind: "classification", labels, metrics: ["accuracy"], dev: null, test: null },
  train: Array.from({ length: 12 }, (_, i) => ({ text: `t${5 + i} t${7 + i} t9`, label: `class ${i % 3}` })),
};

async function losses(path: string, options: Partial<TrainerOptions> = {}): Promise<number[]> {
  await using trainer = await RATTrainer.create({
    ...{ model: { path }, task, seed: 3, threads: 1, device: "cpu", regularizer: { type: "none" } },
    ...options,
  });
  const events = await eventsOf(trainer.fit({ maxSteps: 3, batchSize: 6, logEvery: 1 }));
  return events.flatMap((event) => (event.type === "step" ? event.loss : []));
}

describe("classifierDropout", () => {
  it("is what the folder's classifier_dropout would be, and leaves the other rates alone", async () => {
    const folder = await bertFolder();
    const own = await losses(folder);
    const given = await losses(folder, { classifierDropout: 0.6 });
    expect(given).toEqual(await losses(await bertFolder({ classifier_dropout: 0.6 })));
    expect(given).not.toEqual(own);
    expect(own).toEqual(await losses(folder, { classifierDropout: 0.1 }));
  });

  it("bad call - beside dropout, or for a model that has one rate", async () => {
    const both = { dropout: 0.1, classifierDropout: 0.3 };
    const folder = await bertFolder();
    await expectRATError(() => losses(folder, both), "ERR_RAT_CONFIG", /dropout sets it already/);
    await expectRATError(() => toyTrainer({ classifierDropout: 0.3 }), "ERR_RAT_CONFIG", /one rate, dropout/);
  });
});

describe("attentionRng", () => {
  it("bad call - torch on the CPU, where LibTorch has no such attention", async () => {
    const folder = await bertFolder();
    const refused = () => losses(folder, { attentionRng: "torch" });
    await expectRATError(refused, "ERR_RAT_CONFIG", /attentionRng torch\) needs a GPU, and fp32/);
    expect(await losses(folder, { attentionRng: "counter" })).toEqual(await losses(folder));
  });
});

describe("reinitLayers", () => {
  it("trains another model than the folder's, the same one from the same seed", async () => {
    const folder = await bertFolder();
    const own = await losses(folder);
    const anew = await losses(folder, { reinitLayers: 1 });
    expect(anew[0]).not.toBe(own[0]);
    expect(await losses(folder, { reinitLayers: 1 })).toEqual(anew);
  });

  it("bad call - more layers than there are, or a model that is new", async () => {
    const folder = await bertFolder();
    await expectRATError(
      () => losses(folder, { reinitLayers: 3 }),
      "ERR_RAT_CONFIG",
      /at most 2 for reinitLayers/,
    );
    await expectRATError(() => toyTrainer({ reinitLayers: 1 }), "ERR_RAT_CONFIG", /pretrained encoder/);
  });
});
