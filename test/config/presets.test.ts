/** Presets: what they set, that what is given stands above them, and that a resolved one resolves to itself. */
import { describe, expect, it } from "vitest";
import { PRESET_NAMES } from "#dist/config/preset-names.js";
import { presetOf } from "#dist/config/presets.js";
import { resolveRunConfig } from "#dist/config/resolve.js";

const base = { task: "rte", data: "d" } as const;

it("released-code is R-AT as its repository runs it", () => {
  const folder = resolveRunConfig({ ...base, model: "bert/", preset: "released-code" });
  expect(folder).toMatchObject({
    ...{ preset: "released-code", regularizer: "r-at", klReduction: "sum", klWeight: 0.5 },
    ...{ optimizer: "bertadam", shuffle: false, maxLength: 70, classifierDropout: 0.3 },
  });
  expect(presetOf("released-code", { task: "rte", model: "bert/" }).differences).toHaveLength(1);
  expect(resolveRunConfig({ ...base, model: "textcnn", preset: "released-code" }).maxLength).toBe(400);
});

it("strong-baseline trains longer and anew at the top, with any regularizer", () => {
  const config = resolveRunConfig({
    ...base,
    model: "bert/",
    preset: "strong-baseline",
    regularizer: "r-drop",
  });
  expect(config).toMatchObject({ epochs: 20, warmupRatio: 0.1, reinitLayers: 1, regularizer: "r-drop" });
  expect(resolveRunConfig({ ...base, model: "bilstm", preset: "strong-baseline" }).reinitLayers).toBe(0);
});

it("released-code leaves a dropout that is given as the one rate of the encoder", () => {
  const config = resolveRunConfig({ ...base, model: "bert/", preset: "released-code", dropout: 0.2 });
  expect(config).toMatchObject({ dropout: 0.2, maxLength: 70 });
  expect(config.classifierDropout).toBeUndefined();
});

it("roberta-large has the numbers of the task, and says for which model they were published", () => {
  const config = { ...base, model: "roberta/", preset: "roberta-large" } as const;
  expect(resolveRunConfig(config)).toMatchObject({
    ...{ learningRate: 2e-5, batchSize: 16, epochs: 10, warmupRatio: 0.06, weightDecay: 0.1 },
    ...{ clipNorm: 0, maxLength: 512, optimizer: "adamw", schedule: "linear" },
  });
  const qqp = { learningRate: 1e-5, batchSize: 32, warmupRatio: 0.25 };
  expect(resolveRunConfig({ ...config, task: "qqp" })).toMatchObject(qqp);
  expect(presetOf("roberta-large", config).differences[0]).toMatch(/^published for RoBERTa-large; α and ε/);
});

it("table7 is R-AT with those numbers, and says whose they are", () => {
  const config = { ...base, model: "roberta/", preset: "table7" } as const;
  const { options: numbers } = presetOf("roberta-large", config);
  const rat = { regularizer: "r-at", forwards: 2, klReduction: "batch-mean" };
  expect(resolveRunConfig(config)).toMatchObject({ ...numbers, ...rat });
  const { differences } = presetOf("table7", config);
  expect(differences[0]).toMatch(/^the paper's Table 7 is not in this package: fairseq's numbers/);
  expect(differences[1]).toMatch(/^published for RoBERTa-large; α and ε/);
});

it("bad call - roberta-large has nothing for other tasks, nor for a model that is trained from scratch", () => {
  const config = { ...base, model: "roberta/", preset: "roberta-large" };
  expect(() => resolveRunConfig({ ...config, task: "wnli" })).toThrow(/no numbers for wnli, only for mnli, /);
  expect(() => resolveRunConfig({ ...config, model: "textcnn" })).toThrow(/for the folder of an encoder/);
});

describe.each(PRESET_NAMES)("%s", (preset) => {
  const isOfEncoders = preset === "roberta-large" || preset === "table7";
  const models = isOfEncoders ? ["bert/"] : ["textcnn", "bert/"];
  it.each(models)("resolves to what resolves to itself, for %s", (model) => {
    const config = resolveRunConfig({ ...base, model, preset });
    expect(resolveRunConfig(config)).toEqual(config);
  });

  it("gives way to what is given", () => {
    const given = { epochs: 7, klReduction: "element-mean", optimizer: "sgd", regularizer: "r-at" } as const;
    expect(resolveRunConfig({ ...base, model: "bert/", preset, ...given })).toMatchObject(given);
  });
});

it("bad call - an unknown preset is refused with the names there are", () => {
  expect(() => resolveRunConfig({ ...base, model: "textcnn", preset: "table8" })).toThrow(
    /paper, released-code, strong-baseline/,
  );
});
