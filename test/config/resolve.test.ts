import { describe, expect, it } from "vitest";
import { TASK_NAMES } from "#dist/config/fields.js";
import { resolveRunConfig } from "#dist/config/resolve.js";
import { taskCatalogue } from "#dist/datasets/registry.js";
import { RATError } from "#dist/errors.js";

const base = { task: "imdb", data: "data", model: "textcnn" };

describe("defaults", () => {
  it("are those of the contract for a model from scratch", () => {
    expect(resolveRunConfig(base)).toEqual({
      ...base,
      split: "official",
      skipBadRows: false,
      resetHead: false,
      reinitLayers: 0,
      embeddingStd: 0.1,
      vocabularySize: 30_000,
      lowercase: true,
      segmenter: "default",
      maxLength: 400,
      dropout: 0.5,
      regularizer: "r-at",
      epsilon: 1,
      klWeight: 0.5,
      forwards: 2,
      consistency: "bi-kl",
      klReduction: "batch-mean",
      epochs: 3,
      batchSize: 32,
      optimizer: "adamw",
      learningRate: 1e-3,
      schedule: "constant",
      warmupRatio: 0,
      weightDecay: 0,
      clipNorm: 1,
      layerDecay: 1,
      labelSmoothing: 0,
      scope: "matrix",
      spareSpecialTokens: false,
      temperature: 1,
      shuffle: true,
      seed: 1,
      device: "auto",
      precision: "fp32",
      recompute: false,
      attentionRng: "counter",
      logEvery: 10,
      resume: false,
      keepCheckpoints: 2,
      overwrite: false,
      allowResumeElsewhere: false,
    });
  });

  it("leave length and dropout to the model of a folder", () => {
    const config = resolveRunConfig({ ...base, model: "runs/old/model" });
    expect(config.maxLength).toBeUndefined();
    expect(config.dropout).toBeUndefined();
  });

  it("hold only what the method reads", () => {
    const keys = ["epsilon", "klWeight", "forwards", "consistency", "klReduction"] as const;
    const read = (regularizer: string) => {
      const config = resolveRunConfig({ ...base, regularizer });
      return keys.filter((key) => config[key] !== undefined);
    };
    expect(read("none")).toEqual([]);
    expect(read("fgm")).toEqual(["epsilon"]);
    expect(read("r-drop")).toEqual(["klWeight", "consistency", "klReduction"]);
    expect(read("r-at")).toEqual([...keys]);
  });

  it("treat undefined like an absent key", () => {
    expect(resolveRunConfig({ ...base, epochs: undefined, maxSteps: undefined })).toEqual(
      resolveRunConfig(base),
    );
  });
});

describe("resolving what has been resolved changes nothing", () => {
  it.each([
    base,
    { ...base, regularizer: "none", klWeight: 3 },
    { ...base, regularizer: "fgm", epsilon: [2] },
    { ...base, regularizer: "r-drop", dropout: [0.1, 0.2] },
    { ...base, forwards: 3, epsilon: [1, 2, 3], dropout: [0, 0.5, 0.1] },
    { ...base, model: "folder", maxLength: 10, output: "runs/x", resume: true },
    { ...base, model: "textcnn", windows: 3, hiddenSize: 8 },
    { ...base, model: "bilstm", layers: 3, dev: "none", labels: ["a", "b"] },
  ])("%j", (raw) => {
    const once = resolveRunConfig(raw);
    expect(resolveRunConfig(once)).toEqual(once);
    expect(resolveRunConfig(JSON.parse(JSON.stringify(once)))).toEqual(once);
  });
});

it("the names of tasks are those of the catalogue", () => {
  expect([...TASK_NAMES].sort()).toEqual(
    taskCatalogue()
      .map(({ name }) => name)
      .sort(),
  );
});

describe("misuse", () => {
  const cases: [string, unknown, RegExp][] = [
    ["no object", null, /object .*null/],
    ["a list", [], /object/],
    ["no task and no model", { data: "x" }, /task is missing.*model is missing/],
    ["unknown task", { ...base, task: "imbd" }, /one of .*imdb.* for task but received "imbd"/],
    ["misspelt key", { ...base, epsylon: 1 }, /no option "epsylon"; did you mean epsilon/],
    ["key with dashes", { ...base, "kl-weight": 1 }, /did you mean klWeight/],
    ["key of nothing", { ...base, zzzzzz: 1 }, /no option "zzzzzz"; it takes task, data/],
    [
      "an unknown regularizer",
      { ...base, regularizer: "mixup" },
      /none, fgm, pgd, freelb, r-drop, r-at, r3f, smart/,
    ],
    ["bf16 for a word model", { ...base, precision: "bf16" }, /bf16 is for encoders.*fp32/],
    ["layers of a word model", { ...base, recompute: true }, /recompute is for encoders.*not for a textcnn/],
    ["an unknown consistency", { ...base, consistency: "wasserstein" }, /bi-kl, kl, ce, js, mae, mse/],
    ["an unknown optimizer", { ...base, optimizer: "adam" }, /adamw, bertadam, sgd/],
    ["an unknown device", { ...base, device: "tpu" }, /auto, cpu, cuda or cuda:N/],
    ["too few epsilons", { ...base, epsilon: [1] }, /list of 2 .* for epsilon but received 1/],
    ["too many epsilons", { ...base, epsilon: [1, 1, 1] }, /list of 2/],
    ["epsilons of another K", { ...base, forwards: 3, epsilon: [1, 1] }, /list of 3/],
    ["a list of rates without forwards", { ...base, regularizer: "none", dropout: [0.1, 0.1] }, /dropout/],
    ["rates of another K", { ...base, dropout: [0.1, 0.1, 0.1] }, /list of 2 .* for dropout/],
    ["no epsilon in a list", { ...base, epsilon: [] }, /epsilon/],
    ["negative epsilon", { ...base, epsilon: -1 }, /at least 0/],
    ["negative epsilon in a list", { ...base, epsilon: [1, -1] }, /at least 0 for epsilon\.1/],
    ["dropout of 1", { ...base, dropout: 1 }, /less than 1/],
    ["nine forwards", { ...base, forwards: 9 }, /at most 8/],
    ["no forwards", { ...base, forwards: 0 }, /at least 1/],
    ["two forwards of fgm", { ...base, regularizer: "fgm", forwards: 2 }, /fgm always has 1/],
    ["three forwards of r-drop", { ...base, regularizer: "r-drop", forwards: 3 }, /r-drop always has 2/],
    ["half a batch", { ...base, batchSize: 0.5 }, /integer/],
    ["no batch", { ...base, batchSize: 0 }, /at least 1/],
    ["a number in quotes", { ...base, epochs: "3" }, /number for epochs but received "3"/],
    ["not a number", { ...base, learningRate: Number.NaN }, /learningRate/],
    ["an infinite rate", { ...base, learningRate: Number.POSITIVE_INFINITY }, /learningRate/],
    ["a ratio above 1", { ...base, warmupRatio: 2 }, /at most 1/],
    ["a seed beyond 2^53", { ...base, seed: 2 ** 60 }, /seed/],
    ["one label", { ...base, labels: ["a"] }, /list of at least 2/],
    ["nowhere to take data from", { task: "imdb", model: "textcnn" }, /`data` is missing/],
    ["resume without a folder", { ...base, resume: true }, /`resume` needs `output`/],
    ["checkpoints without a folder", { ...base, checkpointEvery: 5 }, /`checkpointEvery` needs `output`/],
    ["resume and overwrite", { ...base, output: "x", resume: true, overwrite: true }, /exclude each other/],
    ["layers of a textcnn", { ...base, layers: 2 }, /textcnn has no layers/],
    ["windows of a bilstm", { ...base, model: "bilstm", windows: [2] }, /bilstm has no windows/],
    ["a new head on a new model", { ...base, resetHead: true }, /resetHead is for the model of a folder/],
    ["word vectors for a folder's model", { ...base, model: "folder", vectors: "v" }, /vectors are for new/],
    ["the size of a folder's model", { ...base, model: "folder", hiddenSize: 3 }, /a folder has its own/],
  ];
  it.each(cases)("bad call - %s", (_, raw, message) => {
    let error: unknown;
    try {
      resolveRunConfig(raw as Record<string, unknown>);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(RATError);
    expect(error).toMatchObject({ code: "ERR_RAT_CONFIG", message: expect.stringMatching(message) });
  });
});
