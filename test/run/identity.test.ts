/** What makes a run the same run, and the record that its config.json keeps. */
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { resolveRunConfig } from "#dist/config/resolve.js";
import type { EncodedDataset } from "#dist/inference/encoded-dataset.js";
import type { Checkpoint } from "#dist/run/checkpoint.js";
import type { TrainerParts } from "#dist/run/parts.js";
import { Plan } from "#dist/run/plan.js";
import type { Provenance } from "#dist/run/provenance.js";
import { checkResume, runIdentity, runRecord } from "#dist/run/run-identity.js";
import { expectRATError } from "../trainer/toy.js";

const parts = {
  config: {
    kind: "classification",
    labels: ["a", "b"],
    vocabularySize: 9,
    sizes: { type: "textcnn", embeddingSize: 4, hiddenSize: 2, windows: [2], layers: 1 },
  },
  modelName: "textcnn",
  isNew: true,
  task: { name: "custom", metrics: ["accuracy"], source: { options: { data: "d", dev: "none" }, files: [] } },
  regularizer: { type: "r-at", epsilon: 1, klWeight: 0.5, forwards: 2 },
  settings: {
    seed: 3,
    dropout: 0.5,
    maxLength: 40,
    device: "cpu",
    precision: "fp32",
    threads: 2,
    temperature: 1,
  },
} as unknown as TrainerParts;
const encoded = (...tokens: number[]): EncodedDataset => ({
  texts: { tokens: Int32Array.from(tokens), starts: Int32Array.of(0, tokens.length), truncated: 0 },
  labels: Int32Array.of(1),
  size: 1,
});
const provenance: Provenance = {
  ...{
    rAt: "1.0.0",
    libtorch: "2",
    node: "20",
    date: "2026-01-01T00:00:00Z",
    host: "h",
    command: "r-at",
    data: [],
  },
};
const plan = new Plan({ batchSize: 2 }, 4);
const identity = (of = parts, course = plan, train = encoded(3, 4)) =>
  runIdentity(of, course, { train, dev: null });

describe("the record of a run", () => {
  it("is a configuration that resolves to itself, without what a run does with its folder", () => {
    const record = runRecord(parts, plan, { output: "o", resume: true, overwrite: false }, provenance);
    expect(record).toMatchObject({
      data: resolve("d"),
      dev: "none",
      output: resolve("o"),
      model: "textcnn",
      regularizer: "r-at",
      epsilon: 1,
      seed: 3,
      batchSize: 2,
    });
    for (const name of ["resume", "overwrite"]) expect(record).not.toHaveProperty(name);
    const { provenance: _, ...options } = record;
    expect(resolveRunConfig(record)).toMatchObject(options);
  });

  it("calls a folder by its path even where an architecture is called so", () => {
    const record = runRecord({ ...parts, isNew: false }, plan, {}, provenance);
    expect(record).toMatchObject({ model: resolve("textcnn") });
    expect(record).not.toHaveProperty("embeddingSize");
    const ofHub = runRecord({ ...parts, isNew: false, modelName: "owner/name" }, plan, {}, provenance);
    expect(ofHub).toMatchObject({ model: "owner/name" });
  });
});

describe("the identity of a run", () => {
  it.each([
    ["the seed", { ...parts, settings: { ...parts.settings, seed: 4 } }, "seed"],
    ["the regularizer", { ...parts, regularizer: { type: "none" } }, "regularizer"],
    [
      "a field of the regularizer",
      { ...parts, regularizer: { ...parts.regularizer, klWeight: 1 } },
      "klWeight",
    ],
    ["the temperature", { ...parts, settings: { ...parts.settings, temperature: 2 } }, "temperature"],
    ["the order of the labels", { ...parts, config: { ...parts.config, labels: ["b", "a"] } }, "labels"],
  ] as const)("is another with %s", async (_, other, name) => {
    const [one, two] = [await identity(), await identity(other as TrainerParts)];
    expect(Object.keys(one).filter((key) => JSON.stringify(one[key]) !== JSON.stringify(two[key]))).toEqual(
      expect.arrayContaining([name]),
    );
  });

  it("is another with other data, in text or label", async () => {
    const one = await identity();
    const { trainingData: _, ...rest } = one;
    for (const data of [encoded(3, 5), { ...encoded(3, 4), labels: Int32Array.of(0) }]) {
      const other = await identity(parts, plan, data);
      expect(other).toMatchObject(rest);
      expect(other).not.toEqual(one);
    }
  });

  it("is the same on another device, and at a constant rate with more epochs", async () => {
    const elsewhere = { ...parts, settings: { ...parts.settings, device: "cuda:0", threads: 8 } };
    const longer = new Plan({ batchSize: 2, epochs: 9 }, 4);
    expect(await identity(elsewhere, longer)).toEqual(await identity());
    const falling = (epochs: number) => new Plan({ batchSize: 2, epochs, schedule: "linear" }, 4);
    expect(await identity(parts, falling(3))).not.toEqual(await identity(parts, falling(9)));
  });
});

describe("checkResume", () => {
  const environment = {
    libtorch: "2",
    addon: "a",
    cpuCapability: "AVX2",
    device: "cpu",
    deviceName: null,
    threads: 2,
  };
  const checkpoint = (step = 3) =>
    ({
      path: "c",
      state: { identity: { seed: 3, totalSteps: 6 }, environment, step, lastStep: 6 },
    }) as unknown as Checkpoint;
  const now = { identity: { seed: 3, totalSteps: 6 }, lastStep: 6, environment, allowElsewhere: false };
  const longer = { ...now, identity: { seed: 3, totalSteps: 9 }, lastStep: 9 };

  it("lets the same run go on, and one elsewhere if that is allowed", () => {
    expect(() => checkResume(checkpoint(), now)).not.toThrow();
    const moved = { ...now, environment: { ...environment, threads: 1 } };
    expect(() => checkResume(checkpoint(), { ...moved, allowElsewhere: true })).not.toThrow();
    expect(() => checkResume(checkpoint(6), longer)).not.toThrow();
  });

  it.each([
    [
      "another seed",
      checkpoint(),
      { ...now, identity: { seed: 4, totalSteps: 6 } },
      "ERR_RAT_RESUME_CONFIG",
      /seed was 3, now 4/,
    ],
    ["more steps halfway", checkpoint(5), longer, "ERR_RAT_RESUME_CONFIG", /totalSteps was 6, now 9/],
    [
      "other threads",
      checkpoint(),
      { ...now, environment: { ...environment, threads: 1 } },
      "ERR_RAT_RESUME_ENV",
      /threads/,
    ],
  ] as const)("bad call - %s", async (_, from, state, code, message) => {
    await expectRATError(async () => checkResume(from, state), code, message);
  });
});
