/** What steps of graphs ask of the device; that they are the steps themselves is test/gpu/graphs.test.ts. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type NativeTrainer, native, type PackedBatch } from "#dist/native/binding.js";
import {
  examplesOf,
  NONE,
  type TinyOptions,
  tinyModels,
  weightsOf,
  withTiny,
} from "../support/tiny-models.js";
import { startLog } from "./log.js";

const { eventsOf } = startLog();

const regularizer = {
  ...{ type: "r-at", forwards: 2, epsilon: [0.5], klWeight: 1 },
  ...{ cleanDropout: 0.1, forwardDropout: [0.1] },
} as const satisfies TinyOptions["regularizer"];
const optimizer = { type: "adamw", weightDecay: 0.1, clipNorm: 1 } as const;
const options = { regularizer, optimizer, device: "cuda:0", precision: "fp32" } as const;
/** Four steps of one size in a process of their own. */
function runChild(env: Record<string, string>) {
  const child = join(import.meta.dirname, "graphs-child.mjs");
  const { textcnn: model } = tinyModels;
  const given = JSON.stringify({
    ...{ ...options, model, kind: "classification", seed: 5, threads: 1 },
    regularizer: { ...NONE, ...regularizer },
  });
  return spawnSync(process.execPath, [child, given], { encoding: "utf8", env: { ...process.env, ...env } });
}

const idsOf = (count: number, first: number) => Array.from({ length: count }, (_, i) => first + i);

test("a step is recorded when its size comes back, whatever else comes between", async () => {
  await withTiny("bert", options, async (trainer) => {
    let step = 0;
    const recordedOf = async (batches: PackedBatch | PackedBatch[]) => {
      const events = await eventsOf(() => trainer.trainStep(batches, ++step, 0.01, { read: false }));
      return [
        events.filter(({ kind }) => kind === "graph").length,
        events.filter(({ kind }) => kind === "launch").length > 0,
      ];
    };
    const [small, large] = [examplesOf(idsOf(4, 1)), examplesOf(idsOf(16, 1))];
    expect(await recordedOf(small)).toEqual([0, true]);
    expect(await recordedOf(large)).toEqual([0, true]);
    expect(await recordedOf(examplesOf(idsOf(4, 7)))).toEqual([1, true]);
    expect(await recordedOf([small, large])).toEqual([0, true]);
    expect(await recordedOf(examplesOf(idsOf(16, 7)))).toEqual([1, true]);
    expect(await recordedOf(examplesOf(idsOf(4, 13)))).toEqual([1, false]);
    expect(await recordedOf([small, large])).toEqual([1, true]);
    expect(await recordedOf([examplesOf(idsOf(4, 7)), large])).toEqual([1, false]);
  });
});

test("what keeps the device behind the host is never recorded", async () => {
  Object.assign(process.env, { RAT_GPU_SIM_CLOCK: 1 }); // kHz
  await withTiny("bert", { ...options, precision: "fp64" }, async (trainer) => {
    const graphsOf = async (step: number, count: number) =>
      (await eventsOf(() => trainer.trainStep(examplesOf(idsOf(count, step * 6)), step, 0.01))).filter(
        ({ kind }) => kind === "graph",
      ).length;
    for (const step of [1, 2, 3]) expect(await graphsOf(step, 60)).toBe(0);
    expect(await graphsOf(4, 1)).toBe(0);
    expect(await graphsOf(5, 1)).toBe(1);
  });
  Reflect.deleteProperty(process.env, "RAT_GPU_SIM_CLOCK");
});

test("steps with class weights, spared tokens or a profile are never recorded, nor those of RAT_DISABLE", async () => {
  const graphsOf = async (changed: TinyOptions, weights?: Float64Array) =>
    withTiny("textcnn", { ...options, ...changed }, async (trainer) => {
      if (weights) await trainer.setClassWeights(weights);
      const events = await eventsOf(async () => {
        for (const number of [1, 2, 3]) await trainer.trainStep(examplesOf(idsOf(6, 6)), number, 0.01);
      });
      return events.filter(({ kind }) => kind === "graph").length;
    });
  expect(await graphsOf({})).toBe(2);
  expect(await graphsOf({}, Float64Array.of(0.5, 1, 2))).toBe(0);
  expect(await graphsOf({ profile: true })).toBe(0);
  const sparing = { ...regularizer, sparedTokens: Int32Array.of(3) };
  expect(await graphsOf({ regularizer: sparing })).toBe(0);
  const events = await eventsOf(async () => runChild({ RAT_DISABLE: "graphs" }));
  expect(events.filter(({ kind }) => kind === "launch").length).toBeGreaterThan(0);
  expect(events.filter(({ kind }) => kind === "graph").length).toBe(0);
});

test("the size that was not there for the longest time is given up for a new one", async () => {
  await withTiny("textcnn", options, async (trainer) => {
    const kindsOf = async (size: number) =>
      (await eventsOf(() => trainer.trainStep(examplesOf(idsOf(size, 1)), 100 + size, 0.01))).map(
        ({ kind }) => kind,
      );
    for (let size = 1; size <= 66; size++) await kindsOf(size);
    expect(await kindsOf(1)).not.toContain("graph");
    expect(await kindsOf(66)).toContain("graph");
  });
});

test("memory that runs out while a step is recorded is that step's error alone", async () => {
  const step = (trainer: NativeTrainer, number: number) =>
    trainer.trainStep(examplesOf(idsOf(24, 6 * number)), number, 0.01);
  const weights = await withTiny("textcnn", options, async (trainer) => {
    for (const number of [1, 2, 3]) await step(trainer, number);
    return weightsOf(trainer);
  });
  await withTiny("textcnn", options, async (trainer) => {
    await step(trainer, 1);
    native().limitDeviceMemory("cuda:0", 2000);
    try {
      await expect(step(trainer, 2)).rejects.toMatchObject({ code: "ERR_RAT_DEVICE_OOM" });
    } finally {
      native().limitDeviceMemory("cuda:0");
    }
    for (const number of [2, 3]) await step(trainer, number);
    expect(await weightsOf(trainer)).toEqual(weights);
  });
});

test("where nothing can be recorded steps are taken as they are, and a warning says so once", () => {
  const recorded = runChild({});
  expect(recorded.stderr).toBe("");
  const refused = runChild({ RAT_GPU_SIM_NO_GRAPHS: "1" });
  expect(refused.stderr.match(/Steps are taken without CUDA graphs[^\n]*/g)).toEqual([
    expect.stringContaining("RAT_GPU_SIM_NO_GRAPHS is set"),
  ]);
  expect(refused.stdout).toBe(recorded.stdout);
  expect(recorded.stdout).toContain("loss");
});
