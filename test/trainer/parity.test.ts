/**
 * The cases of test/reference/parity.py once more, through everything a user goes through: a model folder, a tokenizer,
 * `RATTrainer`, the schedule, and what `log.jsonl` and the saved model then hold.
 */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Regularizer } from "#dist/config/schema.js";
import { RATTrainer } from "#dist/trainer/rat-trainer.js";
import {
  expectEvent,
  expectWeights,
  type ParityCase,
  parityBatches,
  parityCases,
  paritySizes,
  parityWeights,
} from "../support/parity.js";
import { temporaryFolder } from "./toy.js";

/** A word for each id. */
const word = (id: number) => `t${id}`;

async function modelFolder({ model, kind }: ParityCase): Promise<string> {
  const folder = join(await temporaryFolder(), "model");
  const { vocabularySize, embeddingSize, hiddenSize, classes } = paritySizes;
  const labels =
    kind === "regression" ? ["LABEL_0"] : Array.from({ length: classes }, (_, i) => `class ${i}`);
  mkdirSync(folder);
  cpSync(parityWeights(model, kind), join(folder, "model.safetensors"));
  const config = {
    model_type: model,
    vocab_size: vocabularySize,
    embedding_size: embeddingSize,
    hidden_size: hiddenSize,
    ...(model === "textcnn" ? { window_sizes: [2, 3, 4] } : { num_layers: model === "bilstm" ? 2 : 1 }),
    pad_token_id: 0,
    problem_type: kind === "regression" ? "regression" : "single_label_classification",
    num_labels: labels.length,
    id2label: Object.fromEntries(labels.entries()),
    dropout: 0.5,
    max_length: 100,
  };
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  const vocab = Object.fromEntries(Array.from({ length: vocabularySize }, (_, id) => [word(id), id]));
  const tokenizer = {
    version: "1.0",
    added_tokens: [],
    pre_tokenizer: { type: "WhitespaceSplit" },
    model: { type: "WordLevel", vocab, unk_token: word(1) },
  };
  writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(tokenizer));
  return folder;
}

/** These cases have no label sets. */
const batchesOf = ({ kind }: ParityCase) =>
  parityBatches[kind === "regression" ? "regression" : "classification"];

function taskOf(c: ParityCase) {
  const { kind } = c;
  const examples = batchesOf(c).flatMap(({ texts, labels }) =>
    texts.map((ids, i) => {
      const label = labels[i] ?? Number.NaN;
      return { text: ids.map(word).join(" "), label: kind === "regression" ? label : `class ${label}` };
    }),
  );
  const labels =
    kind === "regression" ? [] : Array.from({ length: paritySizes.classes }, (_, i) => `class ${i}`);
  return { name: "parity", kind, labels, metrics: [], train: examples, dev: null, test: null };
}

function regularizerOf({ regularizer }: ParityCase): Regularizer {
  const { type, forwards, epsilon, klWeight, klReduction } = regularizer;
  switch (type) {
    case "none":
      return { type };
    case "fgm":
      return { type, epsilon };
    case "r-drop":
      return { type, klWeight, klReduction };
    case "r-at":
      return {
        type,
        forwards,
        epsilon: epsilon.length === 1 ? (epsilon[0] ?? 0) : epsilon,
        klWeight,
        klReduction,
      };
    default:
      throw new Error(`no case has ${type}`);
  }
}

describe("a run through RATTrainer beside plain PyTorch", () => {
  test.each(parityCases)("%s", async (_, c) => {
    const folder = await modelFolder(c);
    const output = join(folder, "../run");
    const { type, weightDecay, clipNorm } = c.optimizer;
    await using trainer = await RATTrainer.create({
      model: { path: folder },
      task: taskOf(c),
      regularizer: regularizerOf(c),
      dropout: 0,
      optimizer: { type, weightDecay, clipNorm },
      precision: "fp64",
      device: "cpu",
      threads: 1,
    });
    const { learningRate, type: schedule, warmupRatio } = c.schedule;
    const settings = {
      learningRate,
      schedule,
      warmupRatio,
      epochs: 1,
      batchSize: 5,
      shuffle: false,
      logEvery: 1,
    };
    await trainer.fit({ ...settings, output });
    const log = readFileSync(join(output, "log.jsonl"), "utf8").trim().split("\n");
    const steps = log.map((line) => JSON.parse(line)).filter(({ type }) => type === "step");
    expect(steps.length).toBe(c.events.length);
    for (const [i, event] of steps.entries()) {
      expectEvent(event, c.events[i], "fp64", `step ${i + 1}`);
      const batch = batchesOf(c)[i];
      expect(event).toMatchObject({ step: i + 1, epoch: 0, examples: 5, tokens: batch?.texts.flat().length });
    }
    expectWeights(join(output, "model/model.safetensors"), c, "fp64");
  });
});

test("the cases hold every optimizer with every schedule, decay and clipping, and every method with every schedule", () => {
  const cases = parityCases.map(([, c]) => c);
  const schedule = (c: ParityCase) => `${c.schedule.type} ${c.schedule.warmupRatio}`;
  const pairs = (of: (c: ParityCase) => string) => new Set(cases.map(of)).size;
  expect(
    pairs((c) => `${c.optimizer.type} ${schedule(c)} ${c.optimizer.weightDecay} ${c.optimizer.clipNorm}`),
  ).toBe(3 * 6 * 2 * 2);
  expect(pairs((c) => `${JSON.stringify(c.regularizer)} ${schedule(c)}`)).toBe(10 * 6);
  expect(pairs((c) => `${c.model} ${c.kind} ${JSON.stringify(c.regularizer)} ${c.optimizer.type}`)).toBe(180);
});
